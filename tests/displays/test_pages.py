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


def test_a_dollar_is_a_plain_character():
    def draw(ax, word):
        ax.plot([1, 100], [1, 1000], label=word)
        ax.set(xlabel=word, ylabel=word, title=word, yscale="log")
        ax.text(1, 1, word)
        ax.figure.colorbar(ax.scatter([1, 2], [1, 2], c=[1, 2]), label=word)
        ax.legend()

    drawn = {word: figure(lambda ax, w=word: draw(ax, w), "x")["png"] for word in ("$^$", "$\\frac{$", "$a$", "a")}
    assert len(set(drawn.values())) == 4
