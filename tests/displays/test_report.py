import html.parser
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.displays.report import write_report
from sitenet_sklearn.exceptions import Failure

CHROMIUM = shutil.which("chromium")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]


@pytest.fixture(scope="module")
def report(structures, band_gaps, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    ids = [f"<b>mp-{k}</b>" for k in range(40)]
    predictions = pd.DataFrame({"prediction": band_gaps + np.linspace(0, 1, 40), "std": np.full(40, 0.3)})
    write_report(
        path,
        pd.Series(structures, index=ids),
        band_gaps,
        predictions,
        model=SiteNetRegressor(lr=0.01),
        title="<script>alert(1)</script>",
        data="a&b.csv",
        left_out=[Failure(3, "gone", "Fe1", "no <file>")],
    )
    return path


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_a_report_loads_nothing_and_escapes_everything(report):
    text = report.read_text(encoding="utf-8")
    assert not re.search("https?:", text)
    tags = Tags(text).found
    assert not {"script", "link", "iframe", "a", "b"} & {tag for tag, _ in tags}
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a&amp;b.csv (40 crystals)" in text
    assert "&lt;b&gt;mp-39&lt;/b&gt;" in text
    assert "no &lt;file&gt;" in text
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 4
    assert all(image["alt"] and image["src"].startswith("data:image/png;base64,") for image in images)
    assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags) == 4


def test_a_report_says_what_was_measured(report, structures):
    text = re.sub("<[^>]*>", " ", report.read_text(encoding="utf-8"))
    words = " ".join(text.split())
    assert "MAE 0.500 eV" in words
    assert "lr 0.01" in words
    assert "The 20 crystals with the largest absolute errors" in words
    worst = f"mp-39&lt;/b&gt; {structures[39].composition.reduced_formula}"
    assert words.index(worst) < words.index("mp-38&lt;/b&gt;")
    assert "mp-19&lt;/b&gt;" not in words
    assert "sitenet-sklearn 0.1" in words


def test_a_report_of_classes(structures, tmp_path):
    shares = np.linspace(0, 1, 40)
    predictions = pd.DataFrame({"probability_metal": 1 - shares, "probability_wide": shares})
    y_true = np.where(shares > 0.7, "wide", "metal")
    write_report(tmp_path / "report.html", structures, y_true, predictions, names=["kind"])
    words = " ".join(re.sub("<[^>]*>", " ", (tmp_path / "report.html").read_text(encoding="utf-8")).split())
    assert "accuracy 0.800" in words
    assert "ROC AUC 1.000" in words
    assert "probability of the true class" in words


def test_several_targets_have_a_part_each_and_gaps(structures, band_gaps, tmp_path):
    y_true = np.column_stack([band_gaps, -band_gaps])
    y_true[0, 1] = np.nan
    predictions = pd.DataFrame({"prediction_1": band_gaps, "prediction_2": 0.5 - band_gaps})
    write_report(tmp_path / "report.html", structures, y_true, predictions, names=["gap", "energy"])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<img") == 6
    assert "<h2>energy</h2>" in text


@pytest.mark.parametrize(
    ("y_true", "predictions", "names", "message"),
    [
        ([1, 2], {"prediction": [1.0]}, ["gap"], "1 crystals, 2 true values and 1 predictions are not as many"),
        ([1], {"prediction": [1.0]}, ["gap", "energy"], "1 targets have 2 names: gap, energy"),
        ([[1, 2]], {"prediction": [1.0]}, ["gap", "energy"], "but no column prediction_1"),
    ],
)
def test_what_does_not_fit_is_refused(structures, tmp_path, y_true, predictions, names, message):
    with pytest.raises(ValueError, match=message):
        write_report(tmp_path / "report.html", structures[:1], y_true, pd.DataFrame(predictions), names=names)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to render reports")
@pytest.mark.parametrize("size", ["1100,1400", "500,900"])
def test_a_browser_shows_the_figures(report, tmp_path, size):
    from matplotlib.image import imread

    probe = tmp_path / "probe.html"  # the same page with a script, which the page itself forbids
    script = "<script>document.body.dataset.sizes = [...document.images].map(i => i.naturalWidth).join()</script>"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text(encoding="utf-8"))
    wide = "<script>document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth</script>"
    probe.write_text(text.replace("</body>", f"{script}{wide}</body>"), encoding="utf-8")
    browser = [CHROMIUM, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={size}"]
    call = {"capture_output": True, "text": True, "timeout": 120}
    dumped = subprocess.run(
        [*browser, "--virtual-time-budget=3000", "--dump-dom", probe.as_uri()], **call, check=True
    ).stdout
    (_, body), *_ = [tag for tag in Tags(dumped).found if tag[0] == "body"]
    assert body["data-sizes"] == "816,816,816,1870"
    assert body["data-wide"] == "false"
    picture = tmp_path / "picture.png"
    subprocess.run([*browser, "--hide-scrollbars", f"--screenshot={picture}", report.as_uri()], **call, check=True)
    pixels = imread(picture)[..., :3]
    assert 0.02 < (pixels < 0.9).any(axis=2).mean() < 0.7
