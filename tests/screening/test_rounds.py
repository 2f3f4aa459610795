"""Rounds finish every row once, whatever their size."""

from contextlib import closing

import pytest

from sitenet_sklearn.network.weights_file import stored_checksum
from sitenet_sklearn.screening import rounds
from sitenet_sklearn.screening.ledger import Ledger
from sitenet_sklearn.screening.rounds import run_rounds
from sitenet_sklearn.screening.sources import rows_from
from sitenet_sklearn.screening.stages import ModelFile


@pytest.fixture(scope="module")
def model_file(candidate_model_file):
    return ModelFile(str(candidate_model_file), stored_checksum(candidate_model_file))


def screened(folder, candidates, model_file, *, chunk_size=5, n_jobs=1, **options):
    ledger = Ledger(folder / f"{chunk_size}-{n_jobs}.sqlite", {})
    with closing(ledger):
        rows = rows_from([candidates], ledger.n_rows, chunk_size=chunk_size)
        run_rounds(ledger, rows, model_file, n_jobs=n_jobs, **options)
        return list(ledger)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, candidates, model_file):
    return screened(tmp_path_factory.mktemp("rounds"), candidates, model_file)


def test_the_same_crystal_is_found_again(expected):
    assert [row.row for row in expected] == list(range(82))
    first = {row.id: row for row in expected}
    for row in expected:
        if row.id in {"bad", "none"}:
            assert row.answers is None
            assert row.crystal is None
            assert row.reason
        else:
            same = first[row.id.replace("again-", "x")]
            assert row.answers == same.answers
            assert row.first_id in {row.id, row.id.replace("again-", "x"), f"again-{row.id[1:]}"}
    assert len({row.crystal for row in expected} - {None}) == 40


@pytest.mark.parametrize(("chunk_size", "n_jobs"), [(1, 1), (50, 1), (7, 2)])
def test_results_do_not_depend_on_chunks_and_processes(tmp_path, candidates, model_file, expected, chunk_size, n_jobs):
    found = screened(tmp_path, candidates, model_file, chunk_size=chunk_size, n_jobs=n_jobs)
    assert [row[:-1] for row in found] == [row[:-1] for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        if ours.answers:
            assert ours.answers[0] == pytest.approx(theirs.answers[0], abs=1e-5)


def test_a_round_ends_when_it_holds_too_much(tmp_path, candidates, model_file, expected, monkeypatch):
    monkeypatch.setattr(rounds, "MAX_HELD", 1)
    found = screened(tmp_path, candidates, model_file, chunk_size=10)
    assert [row[:-1] for row in found] == [row[:-1] for row in expected]


def test_progress_counts_every_row_once(tmp_path, candidates, model_file):
    counted = []
    screened(tmp_path, candidates, model_file, chunk_size=4, done=counted.append)
    assert sum(counted) == 82


def test_the_first_rounds_are_small(tmp_path, candidates, model_file, monkeypatch):
    sizes, real = [], rounds.sort_out
    monkeypatch.setattr(rounds, "sort_out", lambda ledger, parts: sizes.append(len(parts)) or real(ledger, parts))
    screened(tmp_path, candidates, model_file, chunk_size=2)
    assert sizes == [1, 2, 4, 8, 8, 8, 8, 2]
    screened(tmp_path, candidates, model_file, chunk_size=2, n_jobs=2)
    assert sizes[8:] == [2, 4, 8, 16, 11]


def test_answers_do_not_depend_on_the_rounds(tmp_path, candidates, model_file, expected, monkeypatch):
    for k, sizes in enumerate([(1,), (8,), (3, 1)]):
        monkeypatch.setattr(rounds, "CHUNKS_A_PROCESS", sizes)
        (tmp_path / str(k)).mkdir()
        assert screened(tmp_path / str(k), candidates, model_file) == expected


@pytest.mark.parametrize("n_calls", [1, 9, 14, 25])
def test_after_an_end_anywhere_nothing_is_lost_or_done_twice(
    tmp_path, candidates, model_file, expected, monkeypatch, n_calls
):
    calls, featurized = [], []
    real = rounds.featurize_rows, rounds.predict_crystals

    def failing(function):
        def called(*arguments):
            calls.append(1)
            if len(calls) > n_calls:
                raise OSError("no more")
            return function(*arguments)

        return called

    for function in real:
        monkeypatch.setattr(rounds, function.__name__, failing(function))
    with pytest.raises(OSError, match="no more"):
        screened(tmp_path, candidates, model_file, chunk_size=3)
    ledger = Ledger(tmp_path / "3-1.sqlite", {})
    n_finished = ledger.n_rows
    ledger.close()
    monkeypatch.setattr(rounds, "predict_crystals", real[1])
    monkeypatch.setattr(rounds, "featurize_rows", lambda *given: featurized.extend(given[1].ids) or real[0](*given))
    found = screened(tmp_path, candidates, model_file, chunk_size=3)
    assert len(featurized) == 82 - n_finished
    assert [row[:-1] for row in found] == [row[:-1] for row in expected]
    (tmp_path / "whole").mkdir()
    assert found == screened(tmp_path / "whole", candidates, model_file, chunk_size=3)
