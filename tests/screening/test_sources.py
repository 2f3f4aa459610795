import json

import pytest

from sitenet_sklearn.screening.sources import pick_rows, rows_from
from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import read_tables


@pytest.fixture
def sources(tmp_path):
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for start, path in zip((0, 7), paths, strict=True):
        rows = [{"id": f"x{k}", "structure": f"crystal\n{k}"} for k in range(start, start + 7)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


@pytest.mark.parametrize("start", [0, 3, 4, 7, 13, 14, 20])
def test_rows_from_a_number_on(sources, start):
    found = list(rows_from(sources, start, chunk_size=4))
    assert [name for table in found for name in table.ids] == [f"x{k}" for k in range(start, 14)]
    assert all(len(table) for table in found)


def test_rows_are_picked_by_number(sources):
    contents = contents_of(read_tables(sources))
    assert contents.n_rows == 14
    assert pick_rows(sources, [13, 0, 7, 6], chunk_size=4) == ({k: f"crystal\n{k}" for k in (0, 6, 7, 13)}, contents)
    assert pick_rows(sources, []) == ({}, contents)
