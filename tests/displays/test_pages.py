import base64

from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.displays.pages import figure, table, write_page


def test_a_page_names_model_and_parameters(tmp_path):
    model = make_pipeline(SupercellFeaturizer(30), SiteNetRegressor())
    drawn = figure(lambda ax: ax.plot([0, 1]), "A <line>.")
    values = {"title": "Screening", "cards": [("rows", "3", "")], "ranking": "x", "pictures": [], "figures": [drawn]}
    nothing = table("none", ["a"], [])
    values |= {"best": nothing, "failed": nothing, "about": nothing, "shortage": ""}
    write_page(tmp_path / "a.html", "screening.html", model=model, data="a.csv", **values)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "SupercellFeaturizer and SiteNetRegressor on a.csv" in text
    assert "max_atoms" in text
    assert "A &lt;line&gt;." in text
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    write_page(tmp_path / "a.html", "screening.html", model=model, data="a.csv", name="<gap>", **values)
    assert "&lt;gap&gt; on a.csv" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_widths_of_columns_are_shares_of_the_page():
    assert table("x", ["a", "b"], [])["widths"] == []
    assert table("x", ["a", "b"], [], widths=(1, 3))["widths"] == ["25.0%", "75.0%"]


def test_figures_are_as_large_as_they_say():
    drawn = figure(lambda ax: ax.plot([0, 1]), "x", size=(9, 2), dpi=50)
    content = base64.b64decode(drawn["png"])
    assert (drawn["width"], drawn["height"]) == (450, 100)
    assert drawn["wide"]
    assert int.from_bytes(content[16:20]) == 450
    assert int.from_bytes(content[20:24]) == 100
