import numpy as np
import pytest

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.tables.labelled import match_classes, read_labelled


@pytest.fixture
def table(crystals, tmp_path):
    """Write a table with the crystals good, alloy and one that is not there, and any columns."""

    def write(header, *rows):
        crystals["CsCl"].to(filename=str(tmp_path / "good.cif"))
        alloy = crystals["CsCl"].copy()
        alloy.replace_species({"Cs": {"Cs": 0.5}})
        alloy.to(filename=str(tmp_path / "alloy.cif"))
        path = tmp_path / "table.csv"
        path.write_text("\n".join([f"id,file,{header}", *rows, ""]))
        return path

    return write


def test_numbers_classes_and_several_targets(table):
    path = table("gap,kind,other", "a,good.cif,1.5,metal,", "b,good.cif,2,True,3")
    found = read_labelled(path, ["gap"])
    assert list(found.structures.index) == ["a", "b"]
    assert found.y.tolist() == [1.5, 2]
    assert found.left_out == []
    assert read_labelled(path, ["kind"], classify=True).y.tolist() == ["metal", "True"]
    np.testing.assert_array_equal(read_labelled(path, ["gap", "other"]).y, [[1.5, np.nan], [2, 3]])


def test_a_folder_has_its_first_column_as_target(crystals, tmp_path):
    crystals["Po"].to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "id_prop.csv").write_text("a,1,2\n")
    assert read_labelled(tmp_path).y.tolist() == [1]
    assert read_labelled(tmp_path, ["2"]).y.tolist() == [2]


BAD = ("a,good.cif,1", "b,alloy.cif,2", "c,none.cif,3", "d,good.cif,", "e,good.cif,wide", "f,good.cif,inf")
REASONS = [
    "index 1 (b Cs0.5Cl1): the structure is disordered",
    "index 2 (c): no such file",
    "index 3 (d CsCl): no target gap",
    "index 4 (e CsCl): the target gap is 'wide', expected a number",
    "index 5 (f CsCl): the target gap is 'inf', expected a number",
]


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ('"1,19"', "write a point instead of the comma"),
        ("4.59 g cm^-3", "leave out the unit"),
        ("2eV", "leave out the unit"),
        ("n/a?", "to learn classes"),
    ],
)
def test_numbers_that_are_none_are_told_apart(table, entry, remedy):
    with pytest.raises(ValueError, match=remedy):
        read_labelled(table("gap", f"a,good.cif,{entry}", f"b,good.cif,{entry}"), ["gap"])


def test_words_for_numbers_ask_whether_classes_are_meant(table):
    path = table("kind", "a,good.cif,metal", "b,good.cif,insulator")
    with pytest.raises(ValueError, match=r"the target kind has no numbers, the first is 'metal': .* --classify"):
        read_labelled(path, ["kind"])
    assert read_labelled(path, ["kind"], classify=True).y.tolist() == ["metal", "insulator"]


def test_all_rows_that_cannot_be_used_are_listed_at_once(table):
    with pytest.raises(ValueError, match=r"5 of 6 rows of .*table.csv cannot be used") as error:
        read_labelled(table("gap", *BAD), ["gap"])
    for reason in REASONS:
        assert reason in str(error.value)


def test_skipped_rows_are_reported(table):
    found = read_labelled(table("gap", *BAD), ["gap"], on_error="skip", featurizer=SupercellFeaturizer(max_atoms=20))
    assert found.y.tolist() == [1]
    assert [str(failure)[: len(reason)] for failure, reason in zip(found.left_out, REASONS, strict=True)] == REASONS


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        ([], {}, "name the column of the target with --target; its other columns are gap, kind"),
        (["gpa"], {}, r"has no column 'gpa' for the target: did you mean gap\?$"),
        (["gap", "gap"], {}, "the target 'gap' is named twice: name every target once"),
        (["gap", "kind"], {"classify": True}, "one column of classes is expected, got 2: gap, kind"),
        (["kind"], {"classify": True}, "1 of 1 rows of .*\n.*no class kind"),
        (["kind"], {"on_error": "skip"}, "none of 1 rows of .* can be used, the first: index 0"),
    ],
)
def test_wrong_columns_are_named(table, targets, options, message):
    with pytest.raises(ValueError, match=message):
        read_labelled(table("gap,kind", "a,good.cif,1,"), targets, **options)


def test_classes_are_those_of_the_model():
    assert match_classes(np.array(["True", "False"]), np.array([False, True])).tolist() == [True, False]
    with pytest.raises(ValueError, match="row 1 has the class 'gas', the model knows 0, 1"):
        match_classes(np.array(["1", "gas"]), np.array([0, 1]))
