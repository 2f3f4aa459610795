import gzip
import json

import pandas as pd
import pytest

from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import (
    CrystalTable,
    files_read,
    find_column,
    is_table,
    read_structures,
    read_table,
    read_tables,
)


@pytest.fixture
def caesium(crystals):
    return crystals["CsCl"]


def as_file(folder, form, structure):
    """The same crystal in a table of every form."""
    structure.to(filename=str(folder / "a.cif"))
    texts = {"cif": structure.to(fmt="cif"), "poscar": structure.to(fmt="poscar")}
    record = {"id": "x1", "band_gap": 0.5}
    match form:
        case "folder":
            (folder / "id_prop.csv").write_text("a,0.5,1.5\n")
            return folder
        case "file" | "path" | "cif_file":
            table = pd.DataFrame([record | {form: "a.cif"}])
        case "json":
            table = pd.DataFrame([record | {"structure": json.dumps(structure.as_dict())}])
        case "cif" | "poscar":
            table = pd.DataFrame([record | {form: texts[form]}])
        case _:
            return as_json_lines(folder, form, record, structure)
    table.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def as_json_lines(folder, form, record, structure):
    crystal = {"structure": structure.as_dict()} if form == "dict.jsonl" else {"file": "a.cif"}
    path = folder / form
    opened = gzip.open if form.endswith(".gz") else open
    with opened(path, "wt") as file:
        file.write(json.dumps(record | crystal) + "\n\n")
    return path


FORMS = ["folder", "file", "path", "cif_file", "json", "cif", "poscar", "dict.jsonl", "file.jsonl", "file.jsonl.gz"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_crystal(caesium, tmp_path, form):
    path = as_file(tmp_path, form, caesium)
    assert is_table(path)
    table = read_table(path)
    (structure,), failures = read_structures(table)
    assert not failures
    assert structure.matches(caesium)
    assert table.ids == (["a"] if form == "folder" else ["x1"])
    column = "1" if form == "folder" else "band_gap"
    assert float(table.properties[column][0]) == 0.5


def test_a_folder_without_properties_is_its_cif_files(caesium, tmp_path):
    for name in ("b.cif", "a.cif"):
        caesium.to(filename=str(tmp_path / name))
    assert read_table(tmp_path).ids == ["a.cif", "b.cif"]


def test_rows_without_id_are_numbered_over_chunks(tmp_path):
    (tmp_path / "table.csv").write_text("structure\n{a\n{b\n{c\n")
    chunks = list(read_tables([tmp_path / "table.csv"], chunk_size=2))
    assert [chunk.ids for chunk in chunks] == [["0", "1"], ["2"]]
    assert chunks[0][1:].crystals == ["{b"]


def test_ids_keep_their_zeros(tmp_path):
    (tmp_path / "table.csv").write_text("material_id,file\n007,a.cif\n")
    assert read_table(tmp_path / "table.csv").ids == ["007"]


def test_files_come_in_chunks_beside_tables(tmp_path):
    (tmp_path / "table.csv").write_text("file\nx.cif\n")
    chunks = list(read_tables(["a.cif", "b.cif", "c.cif", tmp_path / "table.csv", "d.cif"], chunk_size=2))
    assert [chunk.ids for chunk in chunks] == [["a.cif", "b.cif"], ["c.cif"], ["x.cif"], ["d.cif"]]
    assert chunks[2].crystals == [tmp_path / "x.cif"]


def test_the_column_of_crystals_can_be_named(tmp_path):
    (tmp_path / "table.csv").write_text("relaxed,file\na.cif,b.cif\n")
    assert read_table(tmp_path / "table.csv", structure_column="relaxed").crystals == [tmp_path / "a.cif"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", None, "no such file or folder"),
        ("a.csv", "", "a.csv is not read as CSV: it holds nothing, not even the names of columns"),
        ("a.csv", "file\n", "holds no crystals: at least one row"),
        ("a.csv", "gap\n1\n", "no column of crystals, expected one of structure, cif"),
        ("a.csv", "cif,file\n1,2\n", "columns of crystals cif and file, .*name it with --structure-column"),
        ("a.csv", 'file\n"a\n', "a.csv is not read as CSV"),
        ("a.jsonl", '{"file": "a"}\n{"file"\n', "a.jsonl is not read as JSON, line 2"),
        ("a.jsonl", "[1]\n", r"line 1: expected an object, got \[1\]"),
        ("a.jsonl.gz", "plain", "a.jsonl.gz is not read as JSON, line 1"),
        ("a.cif", "data_", "a.cif is not a table: expected a folder, or a file whose name ends in .csv"),
    ],
)
def test_damaged_tables_are_named(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_table(tmp_path / name)


def test_a_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("gap\n1\n")
    with pytest.raises(ValueError, match="has no column 'cell', only gap"):
        read_table(tmp_path / "a.csv", structure_column="cell")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "ID;File;Band_gap\nx;a.cif;0,5\n"),
        ("a.tsv", "Material_ID\tFILE\tBand_gap\nx\ta.cif\t0,5\n"),
        ("a.csv", '"Id","file","Band_gap"\n"x","a.cif","0,5"\n'),
        ("a.json", ' [{"ID": "x", "Path": "a.cif", "Band_gap": "0,5"}]'),
    ],
)
def test_separators_capitals_and_arrays_are_understood(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    for path in (tmp_path / name, tmp_path / f"{name}.gz"):
        assert is_table(path)
        table = read_table(path)
        assert (table.ids, table.crystals) == (["x"], [tmp_path / "a.cif"])
        assert table.properties[find_column(table.properties, "band_gap")].tolist() == ["0,5"]


def test_columns_that_differ_in_capitals_alone_are_not_mixed_up(tmp_path):
    (tmp_path / "a.csv").write_text("file,Gap,gap\na.cif,1,2\n")
    frame = read_table(tmp_path / "a.csv").properties
    assert (find_column(frame, "gap"), find_column(frame, "GAP")) == ("gap", None)


@pytest.mark.parametrize(("text", "names"), [("a,1.5\n", ["1"]), ("name,gap\na,1.5\n", ["gap"]), ("a,metal\n", ["1"])])
def test_tables_of_cgcnn_may_name_their_columns(tmp_path, caesium, text, names):
    caesium.to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "id_prop.csv").write_text(text)
    table = read_table(tmp_path)
    assert (table.ids, table.crystals, list(table.properties)) == (["a"], [tmp_path / "a.cif"], names)


@pytest.mark.filterwarnings("ignore:not read, as their names are of no CIF")
def test_folders_hold_crystals_in_all_forms(tmp_path):
    for name in ("a.cif", "b.CIF.gz", "POSCAR_c", "d.vasp", "e.extxyz", "notes.txt", "id.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in read_table(tmp_path).crystals] == [
        "POSCAR_c",
        "a.cif",
        "b.CIF.gz",
        "d.vasp",
        "e.extxyz",
    ]


def test_arrays_that_hold_something_else_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('[{"file": "a.cif"}, 3]')
    with pytest.raises(ValueError, match=r"a.json is not read as JSON, line 1: expected an object, got 3"):
        read_table(tmp_path / "a.json")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"hold neither id_prop.csv nor CIF, POSCAR or XYZ files, but no files"):
        read_table(tmp_path)


def test_failures_have_index_and_id(caesium, tmp_path):
    caesium.to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "table.csv").write_text("id,file\nx,a.cif\ny,b.cif\n")
    structures, (failure,) = read_structures(read_table(tmp_path / "table.csv"), start=10)
    assert structures[1] is None
    assert str(failure) == f"index 11 (y): no such file: {tmp_path / 'b.cif'}"


def test_warnings_of_readers_are_told_once_a_kind_with_the_crystals(tmp_path, crystals):
    paths = [tmp_path / f"x{k}.cif" for k in range(6)]
    for k, path in enumerate(paths):
        (crystals["graphite"] * (1, 1, 1 + k % 2)).to(filename=str(path), symprec=0.01)  # coordinates of 1/3, rounded
    table = CrystalTable([path.name for path in paths], paths, pd.DataFrame(index=range(6)))
    with pytest.warns(UserWarning, match=r"rounded.* \(x0.cif, x1.cif, x2.cif, x3.cif and 2 more\)$") as told:
        read_structures(table)
    assert len(told) == 1


def test_files_of_a_folder_that_are_not_read_are_named(tmp_path, crystals):
    crystals["NaCl"].to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "Si.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    with pytest.warns(
        UserWarning, match=rf"^not read, as their names are of no CIF, POSCAR or XYZ files: {tmp_path}/Si.json$"
    ):
        assert [path.name for path in read_table(tmp_path).crystals] == ["a.cif"]


LARGE = 2**53 + 1


@pytest.mark.parametrize("chunk_size", [1, 2, 100])
def test_ids_are_as_written_whatever_stands_in_other_rows(tmp_path, chunk_size):
    path = tmp_path / "some.jsonl"
    rows = [{"id": LARGE}, {}, {"id": 3, "gap": 7}, {"id": None}, {"id": "x", "gap": LARGE}, {"id": ""}]
    path.write_text("".join(json.dumps(row | {"structure": "{}"}) + "\n" for row in rows))
    tables = list(read_tables([path], chunk_size=chunk_size))
    assert [name for table in tables for name in table.ids] == [str(LARGE), "1", "3", "3", "x", "5"]
    assert LARGE in [value for table in tables for value in table.properties.get("gap", [])]
    assert contents_of(tables) == contents_of(read_tables([path], chunk_size=3))


def test_long_text_in_a_column_is_no_file_that_is_read(tmp_path):
    path = tmp_path / "table.csv"
    (tmp_path / "a.cif").write_text("data_x\n")
    path.write_text(f"id,file,abstract\nx,a.cif,{'We report a compound. ' * 30}\n")
    assert set(files_read(path)) == {path, tmp_path / "a.cif"}
