import numpy as np
import pytest
from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.training.callbacks import check_callbacks, learning_rate_share


def test_learning_rate_rises_then_falls():
    shares = [learning_rate_share(step, 200) for step in range(201)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(0)
    assert np.argmax(shares) == 20
    assert max(shares) == 1


def test_progress_is_shown_only_when_asked(featurized, band_gaps, capsys):
    SiteNetRegressor(max_epochs=1, random_state=0).fit(featurized[:20], band_gaps[:20])
    assert capsys.readouterr() == ("", "")
    model = SiteNetRegressor(max_epochs=1, random_state=0, early_stopping=True, verbose=1)
    model.fit(featurized[:20], band_gaps[:20])
    shown = capsys.readouterr().err
    assert "train_loss=" in shown
    assert "valid_loss=" in shown


def test_callbacks_are_those_of_skorch(featurized, band_gaps):
    for good in (None, [], [EpochTimer()], [("timer", EpochTimer()), EpochTimer]):
        check_callbacks(good)
    for wrong in ("x", ("name", 3), ("name", EpochTimer(), 3), None, int):
        with pytest.raises(TypeError, match=r"callbacks must hold callbacks of skorch.* got .* at index 1"):
            SiteNetRegressor(callbacks=[EpochTimer(), wrong]).fit(featurized, band_gaps)


QUICK = {"site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


def fit(featurized, band_gaps, *callbacks, **parameters):
    model = SiteNetRegressor(**QUICK | {"max_epochs": 3} | parameters, callbacks=callbacks)
    return model.fit(featurized[10:], band_gaps[10:], validation_data=(featurized[:10], band_gaps[:10]))


@pytest.mark.parametrize(
    "callback",
    [
        BatchScoring("r2"),
        EpochScoring("r2", on_train=True),
        PassthroughScoring("valid_loss"),
        ProgressBar(),
        PrintLog(sink=str),
        ReduceLROnPlateau,
    ],
    ids=lambda callback: getattr(callback, "__name__", type(callback).__name__),
)
def test_callbacks_of_skorch_change_nothing_but_what_they_are_for(featurized, band_gaps, callback):
    if callback is ReduceLROnPlateau:
        callback = LRScheduler(callback, monitor="valid_loss", patience=100)
        expected = fit(featurized, band_gaps, LRScheduler(StepLR, step_size=100))
    else:
        expected = fit(featurized, band_gaps)
    model = fit(featurized, band_gaps, callback)
    assert model.loss_curve_ == expected.loss_curve_
    assert model.validation_loss_curve_ == expected.validation_loss_curve_


def test_scores_of_epochs_are_those_of_predictions(featurized, band_gaps):
    score = EpochScoring("neg_mean_absolute_error", lower_is_better=False, name="score")
    model = fit(featurized, band_gaps, score)
    assert model.history_[-1, "score"] == pytest.approx(-model.validation_loss_curve_[-1], rel=1e-5)
    error = np.abs(model.predict(featurized[:10]) - band_gaps[:10]).mean()
    assert model.history_[-1, "score"] == pytest.approx(-error, rel=1e-5)


def test_a_schedule_of_skorch_takes_the_place_of_ours(featurized, band_gaps):
    schedule = LRScheduler(StepLR, step_size=1, gamma=0.5, event_name="rate")
    model = fit(featurized, band_gaps, schedule, lr=0.004)
    assert [row["rate"] for row in model.history_] == pytest.approx([0.004, 0.002, 0.001])
    named = fit(featurized, band_gaps, ("mine", LRScheduler), lr=0.004)
    assert not any(type(callback).__name__ == "StepScheduler" for _, callback in named.net_.callbacks_)


def test_checkpoints_and_early_stopping_of_skorch_work(featurized, band_gaps, tmp_path):
    fit(featurized, band_gaps, Checkpoint(dirname=tmp_path, monitor="valid_loss_best"))
    assert (tmp_path / "params.pt").is_file()
    stopped = fit(featurized, band_gaps, EarlyStopping(patience=2, threshold=0.9, sink=str), max_epochs=20)
    assert len(stopped.history_) < 20
    frozen = fit(featurized, band_gaps, Freezer("embedding*"))
    assert not frozen.net_.module_.embedding.weight.requires_grad
