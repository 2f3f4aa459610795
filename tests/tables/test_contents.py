from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import read_tables


def test_hash_follows_content_and_not_chunks(crystals, tmp_path):
    crystals["CsCl"].to(filename=str(tmp_path / "a.cif"))
    path = tmp_path / "table.csv"
    path.write_text("file,gap\na.cif,1\nb.cif,2\n")
    found = contents_of(read_tables([path]))
    assert found.n_rows == 2
    assert contents_of(read_tables([path], chunk_size=1)) == found
    (tmp_path / "b.cif").write_text("now it is there")
    assert contents_of(read_tables([path])) != found
    (tmp_path / "b.cif").unlink()
    path.write_text("file,gap\na.cif,1\nb.cif,3\n")
    assert contents_of(read_tables([path])) != found


def test_ids_of_any_characters_are_hashed(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"id": "\\ud800", "structure": {}}\n')
    found = contents_of(read_tables([path]))
    path.write_text('{"id": "\\ud801", "structure": {}}\n')
    assert contents_of(read_tables([path])) != found
