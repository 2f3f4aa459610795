import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sitenet_sklearn import SiteNetRegressor

QUICK = {"max_epochs": 6, "random_state": 0, "site_dim": 8, "attention_hidden_layers": (16,), "batch_size": 40}


class StopAfter(Callback):
    """An error in the epoch after some."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_batch_begin(self, net, **kwargs):  # noqa: ARG002
        if len(net.history) > self.n_epochs:
            raise OSError("power cut")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True},
        {"dropout": 0.3},
        {"random_state": None},
        {"optimizer": "sgd", "lr": 0.001, "gradient_accumulation": 2},
        {"gradient_accumulation": 100},
    ],
)
def test_a_fit_that_was_cut_short_ends_as_if_nothing_had_happened(featurized, band_gaps, tmp_path, options):
    model = SiteNetRegressor(**QUICK | options, checkpoint_dir=tmp_path, callbacks=[StopAfter(3)])
    with pytest.raises(OSError, match="power cut"):
        model.fit(featurized, band_gaps)
    assert len(list(tmp_path.glob("*.ckpt"))) == 1
    seen = []
    model.set_params(callbacks=[Count(seen)]).fit(featurized, band_gaps)
    assert len(seen) == 3
    assert len(model.history_) == 6
    assert not list(tmp_path.iterdir())
    if model.random_state is not None:
        whole = SiteNetRegressor(**QUICK | options).fit(featurized, band_gaps)
        np.testing.assert_array_equal(model.predict(featurized), whole.predict(featurized))
        assert model.history_[:, "train_loss"] == whole.history_[:, "train_loss"]


class Count(Callback):
    def __init__(self, seen):
        self.seen = seen

    def on_epoch_begin(self, net, **kwargs):  # noqa: ARG002
        self.seen.append(len(net.history))


def test_the_progress_bar_goes_on_too(featurized, band_gaps, tmp_path, capsys):
    model = SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path, verbose=1, callbacks=[StopAfter(3)])
    with pytest.raises(OSError, match="power cut"):
        model.fit(featurized, band_gaps)
    capsys.readouterr()
    model.set_params(callbacks=None).fit(featurized, band_gaps)
    shown = capsys.readouterr().err
    assert " 6/6 " in shown


def test_a_checkpoint_does_not_change_what_is_learned(featurized, band_gaps, tmp_path):
    plain, saved = (
        SiteNetRegressor(**QUICK, checkpoint_dir=folder).fit(featurized, band_gaps) for folder in (None, tmp_path)
    )
    np.testing.assert_array_equal(plain.predict(featurized), saved.predict(featurized))


def test_other_data_and_parameters_have_files_of_their_own(featurized, band_gaps, tmp_path):
    changes = [({}, 0), ({"lr": 0.01}, 0), ({"random_state": 1}, 0), ({}, 1)]
    for parameters, shift in changes:
        model = SiteNetRegressor(**QUICK | parameters, checkpoint_dir=tmp_path, callbacks=[StopAfter(1)])
        with pytest.raises(OSError, match="power cut"):
            model.fit(featurized, band_gaps + shift)
    assert len(list(tmp_path.glob("*.ckpt"))) == len(changes)


def test_a_damaged_checkpoint_is_named(featurized, band_gaps, tmp_path):
    model = SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path, callbacks=[StopAfter(1)])
    with pytest.raises(OSError, match="power cut"):
        model.fit(featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"sitenet-.*\.ckpt is no checkpoint of training .*: delete it to start anew"):
        model.fit(featurized, band_gaps)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code(featurized, band_gaps, tmp_path):
    model = SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path, callbacks=[StopAfter(1)])
    with pytest.raises(OSError, match="power cut"):
        model.fit(featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    torch.save({"seed": Trap(tmp_path / "code was run")}, path)
    with pytest.raises(ValueError, match="is no checkpoint of training"):
        model.fit(featurized, band_gaps)
    assert list(tmp_path.iterdir()) == [path]


SCRIPT = """
import sys, joblib
from sitenet_sklearn import SiteNetRegressor
crystals, band_gaps, options = joblib.load(sys.argv[1])
model = SiteNetRegressor(**options).fit(crystals, band_gaps)
joblib.dump(model.predict(crystals), sys.argv[2])
"""


def test_kill_9_loses_no_more_than_an_epoch(featurized, band_gaps, tmp_path):
    options = QUICK | {"max_epochs": 30, "checkpoint_dir": str(tmp_path / "checkpoints")}
    joblib.dump((featurized, band_gaps, options), tmp_path / "job")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "job"), str(tmp_path / "result")]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("checkpoints/*.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "result").exists()
    subprocess.run(command, check=True)
    whole = SiteNetRegressor(**options | {"checkpoint_dir": None}).fit(featurized, band_gaps)
    np.testing.assert_allclose(joblib.load(tmp_path / "result"), whole.predict(featurized), atol=1e-5)


def cut_short(model, X, y, n_epochs=2):
    model.set_params(callbacks=[StopAfter(n_epochs)])
    with pytest.raises(OSError, match="power cut"):
        model.fit(X, y)
    return model.set_params(callbacks=None)


def test_one_flipped_bit_is_found(featurized, band_gaps, tmp_path):
    model = cut_short(SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path), featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    content = path.read_bytes()
    for place in np.linspace(30, len(content) - 1, 20).astype(int):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"is no checkpoint of training .* checksum .*: delete it to start anew"):
            model.fit(featurized, band_gaps)
    path.write_bytes(content)
    model.fit(featurized, band_gaps)


@pytest.mark.parametrize("key", ["module", "optimizer", "schedule", "history", "order", "random"])
def test_what_a_checkpoint_lacks_is_named(featurized, band_gaps, tmp_path, key):
    model = cut_short(SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path), featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    content = path.read_bytes()
    state = torch.load(io.BytesIO(content[content.index(b"PK") :]), weights_only=True)
    del state[key]
    torch.save(state, path)
    with pytest.raises(ValueError, match=rf"does not fit this training \('{key}'\): delete it to start anew"):
        model.fit(featurized, band_gaps)


def test_files_of_version_0_1_0_have_no_checksum_and_are_taken(featurized, band_gaps, tmp_path):
    model = cut_short(SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path), featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    content = path.read_bytes()
    path.write_bytes(content[content.index(b"PK") :])
    whole = SiteNetRegressor(**QUICK).fit(featurized, band_gaps)
    np.testing.assert_array_equal(model.fit(featurized, band_gaps).predict(featurized), whole.predict(featurized))


@pytest.mark.parametrize("random_state", [None, 0])
def test_equal_trainings_at_a_time_have_files_of_their_own(featurized, band_gaps, tmp_path, random_state):
    options = QUICK | {"random_state": random_state, "checkpoint_dir": tmp_path}
    inner = []

    class TrainAnother(Callback):
        def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
            if len(net.history) == 2:
                inner.append(SiteNetRegressor(**options).fit(featurized, band_gaps))

    outer = SiteNetRegressor(**options, callbacks=[TrainAnother()]).fit(featurized, band_gaps)
    same = np.array_equal(outer.predict(featurized), inner[0].predict(featurized))
    assert same == (random_state is not None)
    assert len(outer.history_) == len(inner[0].history_) == 6
    assert not list(tmp_path.iterdir())


def test_what_was_left_by_two_trainings_goes_on_in_two(featurized, band_gaps, tmp_path):
    options = QUICK | {"random_state": None, "checkpoint_dir": tmp_path}
    cut_short(SiteNetRegressor(**options), featurized, band_gaps)
    (first,) = tmp_path.glob("*.ckpt")
    kept = first.rename(tmp_path / "kept")
    cut_short(SiteNetRegressor(**options), featurized, band_gaps)
    first.rename(first.with_name(f"{first.stem}-2.ckpt"))
    kept.rename(first)
    seen = []
    models = [SiteNetRegressor(**options, callbacks=[Count(seen)]).fit(featurized, band_gaps) for _ in range(2)]
    assert len(seen) == 8
    assert not np.array_equal(models[0].predict(featurized), models[1].predict(featurized))
    assert not list(tmp_path.iterdir())


def with_other_shapes(state):
    state["optimizer"]["state"][0]["exp_avg"] = torch.zeros(3)


def with_many_epochs(state):
    state["history"] *= 50


def with_methods(state):
    state["early_stopping"] = {"on_epoch_end": 3}


@pytest.mark.parametrize("edit", [with_other_shapes, with_many_epochs, with_methods])
def test_a_checkpoint_that_says_what_cannot_be_is_named(featurized, band_gaps, tmp_path, edit):
    model = SiteNetRegressor(**QUICK, early_stopping=True, checkpoint_dir=tmp_path)
    cut_short(model, featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    content = path.read_bytes()
    state = torch.load(io.BytesIO(content[content.index(b"PK") :]), weights_only=True)
    edit(state)
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"does not fit this training .*: delete it to start anew"):
        model.fit(featurized, band_gaps)


class CtrlC(StopAfter):
    """Ctrl-C in the epoch after some."""

    def on_batch_begin(self, net, **kwargs):  # noqa: ARG002
        if len(net.history) > self.n_epochs:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_warm_start_that_was_interrupted_goes_on_in_the_same_session(featurized, band_gaps, tmp_path):
    whole = SiteNetRegressor(**QUICK, warm_start=True).fit(featurized, band_gaps).fit(featurized, band_gaps)
    model = SiteNetRegressor(**QUICK, warm_start=True, checkpoint_dir=tmp_path).fit(featurized, band_gaps)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callbacks=[CtrlC(3)]).fit(featurized, band_gaps)
    model.set_params(callbacks=None).fit(featurized, band_gaps)
    np.testing.assert_array_equal(model.predict(featurized), whole.predict(featurized))
    assert not list(tmp_path.glob("*.ckpt"))


def test_numbers_of_numpy_name_a_training_as_numbers_of_python_do(featurized, band_gaps, tmp_path):
    numpy = {"random_state": np.int64(0), "attention_hidden_layers": [np.int64(16)], "lr": np.float64(1e-3)}
    cut_short(SiteNetRegressor(**QUICK | numpy, checkpoint_dir=tmp_path), featurized, band_gaps)
    cut_short(SiteNetRegressor(**QUICK | {"lr": 1e-3}, checkpoint_dir=tmp_path), featurized, band_gaps)
    assert len(list(tmp_path.glob("*.ckpt"))) == 1
    cut_short(
        SiteNetRegressor(**QUICK | numpy | {"random_state": np.int64(1)}, checkpoint_dir=tmp_path),
        featurized,
        band_gaps,
    )
    assert len(list(tmp_path.glob("*.ckpt"))) == 2


@pytest.mark.parametrize("content", [{}, {"seed": "1"}, [1, 2], torch.zeros(2)])
def test_a_checkpoint_without_a_seed_is_named(featurized, band_gaps, tmp_path, content):
    model = cut_short(SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path), featurized, band_gaps)
    (path,) = tmp_path.glob("*.ckpt")
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"is no checkpoint of training \(it has no seed\): delete it to start anew"):
        model.fit(featurized, band_gaps)
    assert not list(tmp_path.glob("*.lock"))
