import pandas as pd

from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import CrystalTable, read_tables


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


def test_ids_of_any_characters_are_hashed():
    first, second = (CrystalTable([name], [{}], pd.DataFrame(index=range(1))) for name in ("\ud800", "\ud801"))
    assert contents_of([first]) != contents_of([second])
