"""The script that repeats the paper's tables, on a few crystals."""

import gzip
import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "reproduce_paper.py"
SMALL = ["--max-atoms", "10", "--max-epochs", "1", "--test-size", "0"]


@pytest.fixture
def run(monkeypatch, tmp_path, structures, band_gaps):
    data = tmp_path / "crystals.jsonl"
    records = [
        {"id": f"mb-{k}", "poscar": s.to(fmt="poscar"), "band_gap_eV": gap, "matbench_fold": k % 5}
        for k, (s, gap) in enumerate(zip(structures, band_gaps.tolist(), strict=True))
    ]
    data.write_text("\n".join(map(json.dumps, records)))

    def run(*arguments):
        options = [*map(str, arguments), "--folder", str(tmp_path / "out"), "--data", str(data)]
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *options])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return tmp_path / "out"

    return run


def test_the_report_has_a_row_for_every_setting_and_its_figures(run):
    run("train", *SMALL, "--train-size", 20, "--seeds", 0, 1)
    folder = run("train", *SMALL, "--train-size", 30, "--cutoff", 5, "--minutes", 1)
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    run("train", *SMALL, "--train-size", 20, "--seeds", 0, 1)
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    run("report")
    text = (folder / "report.md").read_text()
    (first, second) = [line.split(" | ") for line in text.splitlines() if line.startswith("| band-gap")]
    assert first[:4] == ["| band-gap", "20", "10", "none"]
    assert first[6:8] == ["2", "1"]
    assert second[1:4] == ["30", "10", "5.0"]
    assert "train --target band-gap --train-size 20 --max-atoms 10 --max-epochs 1 --seeds 0 1\n" in text
    for name in ("fig5a", "fig5b_band-gap_20_10_none", "fig6_band-gap_20_10_none", "fig7b_band-gap_30_10_5"):
        assert f"({name}.png)" in text
        assert (folder / f"{name}.png").stat().st_size > 5000


def test_a_submission_needs_all_folds_and_holds_every_crystal_once(run):
    for fold in range(4):
        folder = run("train", *SMALL, "--fold", fold)
    with pytest.raises(SystemExit, match=r"folds \[4\] are missing"):
        run("submission")
    run("train", *SMALL, "--fold", 4)
    run("submission")
    content = json.loads(gzip.decompress((folder / "results.json.gz").read_bytes()))
    results = content["tasks"]["matbench_mp_gap"]["results"]
    ids = [name for fold in results.values() for name in fold["data"]]
    assert sorted(ids) == sorted(f"mb-{k}" for k in range(40))
    assert all(set(fold["scores"]) == {"mae", "rmse", "mape", "max_error"} for fold in results.values())
    assert "sitenet-sklearn" in (folder / "info.json").read_text()
