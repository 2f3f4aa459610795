"""Screening as a user has it: the files, the choice, kill -9, a worker of Dask that dies, sources of every form."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import closing

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.screening import rounds, screen
from sitenet_sklearn.screening.stages import predict_crystals
from sitenet_sklearn.screening.work_folder import LEDGER, WorkFolder

SMALL = {"max_epochs": 1, "site_dim": 4, "attention_hidden_layers": (5,), "random_state": 0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, candidate_model, candidates):
    """A screening without interruption."""
    output = tmp_path_factory.mktemp("whole") / "gaps.csv"
    return screen(candidate_model, candidates, output, top=5, by="lower", chunk_size=3, n_jobs=1)


def test_every_row_is_predicted_once(whole, candidate_model, structures):
    table = pd.read_csv(whole.output)
    assert whole[4:] == (82, 40, 2)
    assert len(table) == 82
    expected = candidate_model.predict(structures)
    number = table["id"].str.extract(r"(\d+)")[0].astype(float)
    known = number.notna()
    np.testing.assert_allclose(table["prediction"][known], expected[number[known].astype(int)], atol=1e-4)
    assert table["reason"].notna().sum() == 2
    assert table["duplicate_of"].notna().sum() == 40
    assert sorted(path.name for path in whole.output.parent.iterdir()) == [
        "gaps-report.html",
        "gaps-top.csv",
        "gaps.csv",
    ]


def test_the_best_are_those_of_the_table(whole):
    table = pd.read_csv(whole.output)
    best = table[table["duplicate_of"].isna()].sort_values("lower", ascending=False, kind="stable")[:5]
    assert whole.top["id"].tolist() == best["id"].tolist()
    assert pd.read_csv(whole.top_file)["id"].tolist() == best["id"].tolist()
    assert best["id"].iloc[0] in whole.report_file.read_text(encoding="utf-8")


SCRIPT = """
import sys
from sitenet_sklearn import load_model
from sitenet_sklearn.screening import screen
model, candidates, output = sys.argv[1:]
screen(load_model(model), candidates, output, top=5, by="lower", chunk_size=3, n_jobs=1)
"""


def rows_in(folder, how="immutable=1"):
    """Number of rows that a ledger has finished; while the screening runs, others read it only without its lock."""
    path = folder / LEDGER
    if not path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?{how}", uri=True)) as connection:
            return connection.execute("SELECT count(*) FROM rows").fetchone()[0]
    except sqlite3.DatabaseError:
        return 0


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_after_kill_9_the_same_call_goes_on(
    tmp_path, whole, candidate_model, candidate_model_file, candidates, monkeypatch
):
    output = tmp_path / "gaps.csv"
    arguments = [sys.executable, "-c", SCRIPT, candidate_model_file, candidates, output]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    wait_until(lambda: rows_in(tmp_path / "gaps.csv.partial"))
    process.kill()
    process.wait()
    n_finished = rows_in(tmp_path / "gaps.csv.partial", "mode=rw")
    assert not output.exists()
    real, featurized = rounds.featurize_rows, []
    monkeypatch.setattr(rounds, "featurize_rows", lambda *given: featurized.extend(given[1].ids) or real(*given))
    found = screen(candidate_model, candidates, output, top=5, by="lower", chunk_size=3, n_jobs=1)
    assert len(featurized) == 82 - n_finished
    assert output.read_bytes() == whole.output.read_bytes()
    assert found.top_file.read_bytes() == whole.top_file.read_bytes()
    assert not (tmp_path / "gaps.csv.partial").exists()


KILLED_AT_THE_END = """
import os, signal, sys
from pathlib import Path
from sitenet_sklearn import load_model
from sitenet_sklearn.screening import screen
model, candidates, output, moment = sys.argv[1:]

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "report":
    sys.modules["sitenet_sklearn.displays.pages"].versions = kill
else:
    replace = Path.replace
    Path.replace = lambda path, new: kill() if str(new).endswith(moment) else replace(path, new)
screen(load_model(model), candidates, output, top=5, by="lower", chunk_size=30, n_jobs=1)
"""


@pytest.mark.parametrize("moment", ["report", "-report.html", "-top.csv", "gaps.csv"])
def test_a_kill_while_files_are_written_leaves_nothing_behind(
    tmp_path, candidate_model, candidate_model_file, candidates, moment
):
    output = tmp_path / "gaps.csv"
    arguments = [sys.executable, "-c", KILLED_AT_THE_END, candidate_model_file, candidates, output, moment]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    assert not output.exists()
    screen(candidate_model, candidates, output, top=5, by="lower", chunk_size=30, n_jobs=1)
    assert len(pd.read_csv(output)) == 82
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gaps-report.html", "gaps-top.csv", "gaps.csv"]


def test_a_kill_at_the_end_computes_nothing_again(tmp_path, whole, candidate_model, candidates, monkeypatch):
    module = sys.modules["sitenet_sklearn.screening.screen"]
    output, call = tmp_path / "gaps.csv", {"top": 5, "by": "lower", "chunk_size": 3, "n_jobs": 1}
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_screening_report", lambda *_args, **_kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            screen(candidate_model, candidates, output, **call)
    assert not output.exists()
    assert not (tmp_path / "gaps-top.csv").exists()
    monkeypatch.setattr(rounds, "featurize_rows", None)
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "_remove", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            screen(candidate_model, candidates, output, **call)
    (tmp_path / "gaps-report.html").unlink()
    screen(candidate_model, candidates, output, **call | {"top": 3, "by": "value"})  # another choice goes on too
    assert output.read_bytes() == whole.output.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gaps-report.html", "gaps-top.csv", "gaps.csv"]


def test_another_model_or_other_sources_are_refused(tmp_path, candidate_model, candidates, monkeypatch, structures):
    output = tmp_path / "gaps.csv"
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "predict_crystals", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            screen(candidate_model, candidates, output, n_jobs=1, chunk_size=3)
    structures[0].to(filename=str(tmp_path / "a.cif"))
    with pytest.raises(ValueError, match="begun with other sources: run the same command as before, choose another"):
        screen(candidate_model, tmp_path / "a.cif", output, n_jobs=1)
    with pytest.raises(ValueError, match=r"begun with level 0\.9, now 0\.8: run the same command as before"):
        screen(candidate_model, candidates, output, n_jobs=1, level=0.8)


@pytest.mark.filterwarnings("ignore")
def test_a_dask_worker_may_die(tmp_path, whole, candidate_model, candidates):
    distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    killed = []

    def kill_one():
        wait_until(lambda: rows_in(tmp_path / "gaps.csv.partial"))
        killed.append(min(workers.values()))
        os.kill(killed[0], signal.SIGKILL)

    with cluster, distributed.Client(cluster) as client:
        workers = client.run(os.getpid)
        thread = threading.Thread(target=kill_one)
        thread.start()
        options = {"top": 5, "by": "lower", "chunk_size": 1}
        found = screen(candidate_model, candidates, tmp_path / "gaps.csv", scheduler=client, **options)
        thread.join()
    assert killed
    ours, theirs = pd.read_csv(found.output), pd.read_csv(whole.output)
    assert found[4:] == whole[4:]
    assert ours["id"].tolist() == theirs["id"].tolist()
    assert ours["duplicate_of"].equals(theirs["duplicate_of"])
    np.testing.assert_allclose(ours["prediction"], theirs["prediction"], atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_works_and_a_worker_that_dies_ends_a_call_that_goes_on(tmp_path, whole, candidate_model, candidates):
    ray = pytest.importorskip("ray", reason="needs ray")
    from ray.util.joblib import register_ray

    def pids():
        with joblib.parallel_config(backend="ray"):
            return set(joblib.Parallel(n_jobs=-1)(joblib.delayed(os.getpid)() for _ in range(8)))

    def predict(*arguments):
        pid_file = tmp_path / "killed"
        if not pid_file.exists():
            pid_file.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return predict_crystals(*arguments)

    register_ray()
    ray.init(num_cpus=2, log_to_driver=False)
    try:
        assert os.getpid() not in pids()
        call = {"top": 5, "by": "lower", "chunk_size": 3}
        with joblib.parallel_config(backend="ray"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(rounds, "predict_crystals", predict)
            with pytest.raises(ray.exceptions.ActorDiedError):
                screen(candidate_model, candidates, tmp_path / "gaps.csv", **call)
            assert int((tmp_path / "killed").read_text()) != os.getpid()
            found = screen(candidate_model, candidates, tmp_path / "gaps.csv", **call)
    finally:
        ray.shutdown()
    assert found.output.read_bytes() == whole.output.read_bytes()


@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
def test_sources_of_every_form(tmp_path, candidate_model, structures):
    folder, archive = tmp_path / "folder", tmp_path / "crystals.zip"
    folder.mkdir()
    structures[0].to(filename=str(folder / "a.cif"))
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("deep/b.cif", structures[1].to(fmt="cif"))
        file.writestr("deep/a.cif", structures[0].to(fmt="cif"))
    structures[2].to(filename=str(tmp_path / "POSCAR"))
    sources = [folder, archive, tmp_path / "POSCAR"]
    found = screen(candidate_model, sources, tmp_path / "gaps.parquet", n_jobs=1, by="value", smallest=True)
    table = pd.read_parquet(found.output)
    ids = [str(tmp_path / name) for name in ("folder/a.cif", "crystals.zip/deep/b.cif", "crystals.zip/deep/a.cif")]
    assert table["id"].tolist() == [*ids, str(tmp_path / "POSCAR")]
    assert table["duplicate_of"][2] == ids[0]
    expected = [candidate_model.predict([structures[k]])[0] for k in (0, 1, 0, 2)]
    np.testing.assert_allclose(table["prediction"], expected, atol=1e-4)
    assert found.top["prediction"].is_monotonic_increasing


@pytest.mark.skipif(os.name != "posix", reason="needs names of any bytes")
def test_a_source_whose_name_is_no_utf8_is_screened(tmp_path, candidate_model, structures):
    source = tmp_path / "\udcff.cif"
    structures[0].to(filename=str(tmp_path / "a.cif"), fmt="cif")
    os.rename(tmp_path / "a.cif", source)  # noqa: PTH104
    found = screen(candidate_model, source, tmp_path / "gaps.csv", n_jobs=1)
    assert found.n_crystals == 1
    assert "\ufffd.cif" in found.report_file.read_text(encoding="utf-8")


def test_few_rows_start_no_process(tmp_path, candidate_model, candidates, monkeypatch):
    asked, run = [], rounds.results_of
    monkeypatch.setattr(
        rounds, "results_of", lambda calls, **options: asked.append(options["n_jobs"]) or run(calls, **options)
    )
    for chunk_size, n_jobs in ((82, 1), (81, 2)):
        asked.clear()
        screen(candidate_model, candidates, tmp_path / f"{chunk_size}.csv", n_jobs=2, chunk_size=chunk_size)
        assert set(asked) == {n_jobs}


def test_when_every_row_fails_the_table_says_why(tmp_path, candidate_model):
    (tmp_path / "bad.csv").write_text("id,cif\nx,no crystal\n")
    found = screen(candidate_model, tmp_path / "bad.csv", tmp_path / "gaps.csv", n_jobs=1)
    assert found[4:] == (1, 0, 1)
    assert "no such file" in pd.read_csv(found.output)["reason"][0]
    assert "no such file" in found.report_file.read_text(encoding="utf-8")


@pytest.mark.parametrize("by", ["value", "lower", "upper", "interval"])
def test_only_crystals_inside_the_window_are_ranked(tmp_path, whole, candidate_model, candidates, by):
    table = pd.read_csv(whole.output)
    values = table["prediction"][table["duplicate_of"].isna()].dropna().sort_values()
    window = (values.iloc[8:10].mean(), values.iloc[29:31].mean())
    call = {"by": by, "between": window, "diverse": True, "chunk_size": 3, "n_jobs": 1}
    found = screen(candidate_model, candidates, tmp_path / "few.csv", top=6, **call)
    assert len(found.top) == 6
    assert found.top["prediction"].between(*window).all()
    assert "were asked for" not in found.report_file.read_text(encoding="utf-8")
    with pytest.warns(UserWarning, match=r"^21 crystals are predicted between .* and .* eV, 30 were asked for$"):
        found = screen(candidate_model, candidates, tmp_path / "all.csv", top=30, unit="eV", **call)
    assert sorted(found.top["prediction"]) == pytest.approx(values.iloc[9:30].tolist(), rel=1e-4)
    assert "21 crystals are predicted between" in found.report_file.read_text(encoding="utf-8")


def test_an_empty_window_is_told(tmp_path, candidate_model, candidates):
    call = {"between": (100, 200), "chunk_size": 3, "n_jobs": 1, "unit": "eV"}
    with pytest.warns(UserWarning, match="0 crystals are predicted between 100 and 200 eV, 1,000 were asked for"):
        found = screen(candidate_model, candidates, tmp_path / "gaps.csv", **call)
    assert len(found.top) == len(pd.read_csv(found.top_file)) == 0
    report = found.report_file.read_text(encoding="utf-8")
    assert "0 crystals are predicted between 100 and 200 eV, 1,000 were asked for." in report
    assert "0 best crystals" not in report
    assert "in orange" not in report


def test_the_report_names_three_sources_and_counts_the_others(tmp_path, candidate_model, structures):
    for k in range(5):
        structures[k].to(filename=str(tmp_path / f"{k}.vasp"), fmt="poscar")
    files = [tmp_path / f"{k}.vasp" for k in range(5)]
    for n, names in ((3, "0.vasp, 1.vasp, 2.vasp (3"), (4, "2.vasp and 1 other (4"), (5, "2.vasp and 2 others (5")):
        found = screen(candidate_model, files[:n], tmp_path / f"{n}.csv", n_jobs=1, about={"name": "My model"})
        report = found.report_file.read_text(encoding="utf-8")
        assert f"{names} rows)" in report
        assert "My model on 0.vasp" in report


def test_wrong_calls_are_refused_before_any_work(tmp_path, candidates, structures, monkeypatch):
    monkeypatch.setattr(sys.modules["sitenet_sklearn.screening.screen"], "contents_of", None)
    output = tmp_path / "gaps.csv"
    network = make_pipeline(SupercellFeaturizer(20), SiteNetRegressor(**SMALL)).fit(structures[:10], np.arange(10.0))
    classes = make_pipeline(SupercellFeaturizer(20), SiteNetClassifier(**SMALL)).fit(structures[:10], [0, 1] * 5)
    for arguments, message in (
        ((network, candidates, output, {"by": "lower"}), "takes a model with intervals"),
        ((classes, candidates, output, {}), "the model is a classifier"),
        ((network[-1], candidates, output, {}), "first step is a SupercellFeaturizer"),
        ((network, candidates, tmp_path / "gaps.txt", {}), "must end in .csv or .parquet"),
        ((network, candidates, output, {"level": 90}), "level must lie between 0 and 1"),
        ((network, candidates, output, {"chunk_size": 0}), "chunk_size must be a positive integer, got 0"),
        ((network, candidates, output, {"n_jobs": 0}), "n_jobs must be an integer other than 0"),
        ((network, [], output, {}), "at least one source"),
    ):
        *given, options = arguments
        with pytest.raises(ValueError, match=message):
            screen(*given, **options)
    with pytest.raises(FileNotFoundError, match=r"2 of 3 sources cannot be read:\n  no.cif: .*\n  /dev/null: it is"):
        screen(network, [candidates, "no.cif", "/dev/null"], output)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        screen(network, candidates, tmp_path / "none" / "gaps.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_level_of_numpy_is_a_number(tmp_path, candidate_model, structures):
    structures[0].to(filename=str(tmp_path / "POSCAR"))
    found = screen(candidate_model, tmp_path / "POSCAR", tmp_path / "gaps.csv", n_jobs=1, level=np.float32(0.8))
    assert found.n_crystals == 1


def test_files_that_exist_are_not_replaced(tmp_path, candidate_model, structures):
    structures[0].to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "gaps-top.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"gaps-top.csv exists: choose another output, or replace it"):
        screen(candidate_model, tmp_path / "a.cif", tmp_path / "gaps.csv", n_jobs=1)
    screen(candidate_model, tmp_path / "a.cif", tmp_path / "gaps.csv", n_jobs=1, overwrite=True)
    with pytest.raises(ValueError, match="would replace what is read"):
        screen(candidate_model, tmp_path / "gaps-top.csv", tmp_path / "gaps.csv", n_jobs=1, overwrite=True)


def test_nothing_of_the_user_is_in_the_folder_that_is_removed(tmp_path, candidate_model, candidates):
    source = tmp_path / "gaps.csv.partial" / "data.jsonl"
    source.parent.mkdir()
    source.write_bytes(candidates.read_bytes())
    for given in (source, candidates):
        with pytest.raises(FileExistsError, match=r"data\.jsonl was not written by a screening"):
            screen(candidate_model, given, tmp_path / "gaps.csv", n_jobs=1, overwrite=True)
    assert source.read_bytes() == candidates.read_bytes()
    with pytest.raises(ValueError, match=r"lies in .*other\.csv\.partial, the folder of unfinished work"):
        screen(candidate_model, tmp_path / "other.csv.partial" / "a.db", tmp_path / "other.csv", n_jobs=1)


def test_sources_that_change_meanwhile_are_told(tmp_path, candidate_model, candidates, monkeypatch):
    path = tmp_path / "candidates.jsonl"
    lines = candidates.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:6]))
    real = rounds.featurize_rows

    def altering(*given):
        path.write_text("".join(lines[:3]))
        return real(*given)

    monkeypatch.setattr(rounds, "featurize_rows", altering)
    monkeypatch.setattr(rounds, "CHUNKS_A_PROCESS", (1,))
    with pytest.raises((RuntimeError, ValueError), match=r"do not alter them|not read"):
        screen(candidate_model, path, tmp_path / "gaps.csv", chunk_size=2, n_jobs=1)
    assert not (tmp_path / "gaps.csv").exists()


def test_sources_of_other_crystals_meanwhile_are_told(tmp_path, candidate_model, candidates, monkeypatch):
    path, output = tmp_path / "candidates.jsonl", tmp_path / "gaps.csv"
    lines = candidates.read_text().splitlines(keepends=True)[:6]
    path.write_text("".join(lines))
    real = rounds.predict_crystals

    def altering(*given):
        path.write_text("".join(reversed(lines)))
        return real(*given)

    monkeypatch.setattr(rounds, "predict_crystals", altering)
    with pytest.raises(RuntimeError, match=r"altered while they were screened.* remove .*gaps.csv.partial, and run"):
        screen(candidate_model, path, output, n_jobs=1)
    path.write_text("".join(lines))
    with pytest.raises(ValueError, match=r"sources that were altered while an earlier run .* remove .*\.partial and"):
        screen(candidate_model, path, output, n_jobs=1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["candidates.jsonl", "gaps.csv.partial"]


@pytest.mark.parametrize("n_workers", [[0, 3, 1], [5, 1, 1, 1]])
def test_workers_may_come_and_go(tmp_path, whole, candidate_model, candidates, monkeypatch, n_workers):
    counts = iter(n_workers)
    monkeypatch.setattr(rounds, "effective_n_jobs", lambda _: next(counts, 1))
    monkeypatch.setattr(rounds, "MAX_HELD", 1)  # chunks of a round are left over
    found = screen(candidate_model, candidates, tmp_path / "gaps.csv", top=5, by="lower", chunk_size=3, n_jobs=1)
    ours, theirs = pd.read_csv(found.output), pd.read_csv(whole.output)
    assert ours["id"].tolist() == theirs["id"].tolist()
    np.testing.assert_allclose(ours["prediction"], theirs["prediction"], atol=1e-4)
