import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn.tables import rows
from sitenet_sklearn.tables.rows import csv_frames, json_frames


@pytest.fixture
def small(monkeypatch):
    """Bounds that a test reaches quickly."""
    monkeypatch.setattr(rows, "MAX_RECORD", 100)
    monkeypatch.setattr(rows, "MAX_LINES", 10)
    monkeypatch.setattr(rows, "MAX_COLUMNS", 5)


def written(path, text):
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path, **options):
    return list((json_frames if ".jsonl" in path.name else csv_frames)(path, **options))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "file,gap,gap\na,1,2\n", "2 columns are called 'gap': give every column a name of its own"),
        ("a.csv", "file,file\na,b\n", "2 columns are called 'file'"),
        ("a.jsonl", '{"file": "a", "gap": 1, "gap": 2}', "line 1: 'gap' is named twice in one object"),
        ("a.csv", "file,gap\na,1,2\n", "Expected 2 fields in line 2, saw 3"),
        ("a.csv", 'file,gap\na,"1\n', "quotation mark that is not closed"),
        ("a.csv", "\n \n", "it holds nothing"),
    ],
)
def test_tables_that_can_be_misread_are_refused(tmp_path, name, text, message):
    path = written(tmp_path / name, text)
    with pytest.raises(ValueError, match=rf"{name} is not read as .*{message}"):
        read(path)


LONG = {
    "line.csv": "file\n" + "a" * 101,
    "names.csv": "a" * 101,
    "entry.csv.gz": 'file,gap\na,1\na,"' + "b\n" * 60 + '"\n',
    "lines.csv": 'file,gap\na,1\na,"' + "\n" * 20 + '"\n',
    "unclosed.csv": 'file,gap\na,1\na,"' + "b\n" * 60,
    "line.jsonl.gz": '{"file": "a"}\n{"file": "' + "a" * 100,
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", LONG)
def test_a_row_is_bounded(tmp_path, name):
    path = written(tmp_path / name, LONG[name])
    with pytest.raises(ValueError, match=rf"{name} is not read as .*: a row has more than"):
        read(path)


WIDE = {
    "wide.csv": "a,b,c,d,e,f\n",
    "wide.jsonl": '{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}\n',
    "many.jsonl": '{"a": 1, "b": 1, "c": 1}\n{"d": 1, "e": 1, "f": 1}\n',
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", WIDE)
def test_the_number_of_columns_is_bounded(tmp_path, name):
    with pytest.raises(ValueError, match=rf"{name} is not read as .*: it has more than .* columns"):
        read(written(tmp_path / name, WIDE[name]))
    if name == "wide.csv":
        with pytest.raises(ValueError, match="columns"):
            read(tmp_path / name, has_header=False)


def test_a_small_file_of_a_long_entry_is_refused(tmp_path):
    text = b"file\n" + b"a" * (rows.MAX_RECORD + 10)
    with pytest.raises(ValueError, match="a row has more than 16 MiB or 250000 lines: keep only the crystal and its"):
        read(written(tmp_path / "a.csv.gz", text))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_parts_end_after_rows_or_bytes(tmp_path, monkeypatch, name):
    entries = ["x" * 20] * 7
    text = "file\n" + "\n".join(entries) if name == "a.csv" else "\n".join('{"file": "' + e + '"}' for e in entries)
    path = written(tmp_path / name, text)
    assert [len(frame) for frame in read(path, chunk_size=3)] == [3, 3, 1]
    monkeypatch.setattr(rows, "MAX_CHUNK", 50)
    assert max(len(frame) for frame in read(path, chunk_size=5)) < 4
    (whole,) = read(path)
    assert whole["file"].tolist() == entries


PIECES = ["", "a", "x,y", 'say "so"', '"', '""', '"","', "two\nlines", 'a\n"b",\n\n"', "1.5", '{"a": ["b", 1]}', "\r\n"]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_text_is_read_as_it_was_written(tmp_path, seed, newline):
    chosen = np.random.default_rng(seed)
    table = [["id", "file", "gap"], *([f"{k}", *map(str, chosen.choice(PIECES, 2))] for k in range(30))]
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=newline).writerows(table)
    path = written(tmp_path / "a.csv", ("\ufeff" if seed % 2 else "") + stream.getvalue())
    frames = read(path, chunk_size=4)
    assert [len(frame) for frame in frames] == [4] * 7 + [2]
    assert pd.concat(frames).to_numpy().tolist() == table[1:]
    assert frames[0].columns.tolist() == table[0]


def test_quotation_marks_within_an_entry_are_text(tmp_path):
    text = 'id,file\n5",a\n6,"b"c"\n7,d\n'
    (frame,) = read(written(tmp_path / "a.csv", text))
    assert frame["id"].tolist() == ['5"', "6", "7"]
    assert frame["file"].tolist() == ["a", 'bc"', "d"]


def test_columns_without_a_name_are_numbered(tmp_path):
    (frame,) = read(written(tmp_path / "a.csv", ",file,\n0,a,1\n"))
    assert frame.columns.tolist() == ["Unnamed: 0", "file", "Unnamed: 2"]
