"""The page in a browser: headless Chromium, where it is installed."""

import csv
import io
import shutil
from itertools import pairwise

import pytest
from pymatgen.core import Lattice, Structure
from served import Server

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
OPTIONS += ["--disable-sync", "--no-first-run"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
MARKUP = "<img src=x onerror=alert(1)>.cif"
PEROVSKITE = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
FORMULA = "=HYPERLINK(1).cif"


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as found:
        opened = found.chromium.launch(executable_path=path, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server(browser):  # noqa: ARG001 without a browser none is needed
    server = Server()
    yield server
    assert server.end()[0] == 130


@pytest.fixture
def open_page(browser, server):
    """Open the page, and see afterwards that nothing went wrong and nothing was asked of others."""
    contexts, troubles, asked = [], [], []

    def make(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.address.geturl())
        page.get_by_role("heading", name="Band gap of crystals").wait_for()
        return page

    yield make
    for context in contexts:
        context.close()
    assert not troubles
    assert all(url.startswith((server.address.geturl(), "blob:", "data:")) for url in asked)


@pytest.fixture
def page(open_page):
    return open_page()


@pytest.fixture(scope="module")
def files(crystals):
    """Good ones and bad ones: names and contents."""
    good = {f"{name}.cif": crystals[name].to(fmt="cif").encode() for name in ("NaCl", "CsCl", "graphite")}
    good[FORMULA] = good["CsCl.cif"]
    return good | {MARKUP: b"data_\nno crystal", "notes.txt": b"hello", "empty.cif": b""}


def give(page, files):
    payload = [{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()]
    page.set_input_files("#files", payload)


def finished(page, words="Done"):
    page.locator("#status", has_text=words).wait_for(timeout=120_000)


def texts(page, column):
    return page.locator(f"#table tbody tr > :nth-child({column})").all_inner_texts()


DROP = """([target, files]) => {
    const transfer = new DataTransfer();
    for (const [name, content] of files) transfer.items.add(new File([content], name));
    for (const kind of ["dragenter", "dragover", "drop"])
        document.querySelector(target).dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true }));
}"""


def test_crystals_that_are_dropped_are_answered(page, files):
    page.evaluate(DROP, ["#drop", [["NaCl.cif", files["NaCl.cif"].decode()]]])
    finished(page)
    assert texts(page, 1) == ["NaCl.cif"]
    assert texts(page, 2) == ["NaCl"]
    assert 4 < float(texts(page, 3)[0]) < 6
    low, high = map(float, texts(page, 4)[0].split(" to "))
    assert low < float(texts(page, 3)[0]) < high
    assert "NaCl" in texts(page, 6)[0]


def test_a_folder_is_walked_through(page, files, tmp_path):
    (tmp_path / "top" / "inner" / "empty").mkdir(parents=True)
    (tmp_path / "top" / "inner" / "a.cif").write_bytes(files["CsCl.cif"])
    (tmp_path / "top" / "notes.txt").write_bytes(b"hello")
    data = {"items": [], "files": [str(tmp_path / "top")], "dragOperationsMask": 1}
    hand = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        hand.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 200, "data": data})
    finished(page)
    assert set(texts(page, 1)) == {"top/inner/a.cif", "top/notes.txt"}


def test_bad_files_are_rows_and_names_are_text(page, files):
    give(page, files)
    finished(page)
    assert texts(page, 1) == list(files)
    assert page.locator("img").count() == 0
    reasons = dict(zip(list(files)[4:], page.locator("#table tbody td.doubt").all_inner_texts(), strict=True))
    assert "not read as a crystal" in reasons[MARKUP]
    assert "its name tells no format" in reasons["notes.txt"]
    assert reasons["empty.cif"] == "the file is empty"
    assert "4 answers, 3 without one" in page.inner_text("#status")


def test_columns_sort_both_ways_and_say_so(page, files):
    give(page, files)
    finished(page)
    header = page.get_by_role("columnheader", name="Band gap (eV)")
    assert header.get_attribute("aria-sort") == "none"
    for direction in ("ascending", "descending"):
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == direction
        values = [float(text) for text in texts(page, 3)[:4]]
        assert values == sorted(values, reverse=direction == "descending")
        assert set(texts(page, 1)[4:]) == {MARKUP, "notes.txt", "empty.cif"}
    assert page.locator("[aria-sort=ascending], [aria-sort=descending]").count() == 1


def test_the_table_is_saved(page, files):
    give(page, files)
    finished(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "band-gap.csv"
    with open(download.value.path(), encoding="utf-8-sig", newline="") as stream:  # noqa: PTH123
        text = stream.read()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == [name.replace(FORMULA, f"'{FORMULA}") for name in files]
    assert all(row["prediction"] or row["reason"] for row in rows)
    assert list(rows[0])[:5] == ["file", "formula", "prediction", "lower", "upper"]
    assert rows[0]["nearest"].startswith("NaCl (")


CSV = """async (file) => {
    const { AnswerTable } = await import("./table.js");
    const table = new AnswerTable(document.getElementById("table"));
    table.add({ file, reason: 'say "no", please' });
    table.draw();
    return table.csv();
}"""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["a;=1+1", "a;-1", 'a; "=1+1', "a\t=1+1", "a;;+1", "a\n=1+1", "a;\t@b", 'a";=1'])
def test_no_cell_is_a_formula_however_a_spreadsheet_separates(page, name, separator):
    for line in page.evaluate(CSV, name).splitlines():
        for cell in line.split(separator):
            assert not cell.lstrip('" ').startswith(tuple("=+-@"))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\N{FULLWIDTH EQUALS SIGN}"])
def test_no_cell_is_a_formula(page, start):
    cell = page.evaluate(CSV, f"{start}1+1")
    (row,) = csv.DictReader(io.StringIO(cell.removeprefix("\ufeff"), newline=""))
    assert row["file"] == f"'{start}1+1".replace("\t", " ").replace("\r", " ")
    assert row["reason"] == 'say "no", please'


@pytest.mark.parametrize(("value", "cell"), [(True, "true"), (-1.5, "-1.5"), (None, ""), ("metal", "metal")])
def test_values_of_every_kind_are_saved(page, value, cell):
    code = CSV.replace("{ file, reason: 'say \"no\", please' }", "{ file: 'a', values: { prediction: file } }")
    (row,) = csv.DictReader(io.StringIO(page.evaluate(code, value).removeprefix("\ufeff"), newline=""))
    assert row["prediction"] == cell


def test_a_crystal_is_looked_at_with_keys_alone(page):
    page.get_by_role("button", name="Choose files").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the example
    finished(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "NaCl.vasp":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "crystal"
    assert page.get_by_role("region", name="NaCl").is_visible()
    assert page.locator("#kinds tbody tr").count() == 2
    page.locator("#picture").focus()
    before = page.inner_html("#picture")
    page.keyboard.press("ArrowLeft")
    assert page.inner_html("#picture") != before
    label = page.get_attribute("#picture", "aria-label")
    other = page.locator("#kinds input").nth(1)
    other.check()
    assert page.get_attribute("#picture", "aria-label") != label
    page.get_by_role("button", name="Back to the table").press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "NaCl.vasp"


def test_the_picture_shows_more_attention_as_thicker_lines(page, files):
    give(page, {"graphite.cif": files["graphite.cif"]})
    finished(page)
    page.get_by_role("button", name="graphite.cif").click()
    widths = page.locator("#picture line").evaluate_all("lines => lines.map((l) => +l.getAttribute('stroke-width'))")
    assert max(widths) == pytest.approx(4.65, abs=0.01)
    assert min(widths) < 1
    counts, received = (
        [float(text) for text in page.locator(f"#kinds tbody td:nth-child({column})").all_inner_texts()]
        for column in (2, 3)
    )
    assert sum(count * share for count, share in zip(counts, received, strict=True)) == pytest.approx(4, abs=0.03)


def test_a_distance_is_one_row(page):
    """3.905 is just between what is written as 3.90 and as 3.91."""
    neighbors = [["O", 3.905 + 1e-7 * sign, 0, 0, 0.1] for sign in (1, -1, 1)] + [["O", 0, 3.92, 0, 0.2]]
    code = """async (neighbors) => (await import("./picture.js")).shellsOf(neighbors)"""
    assert [shell["count"] for shell in page.evaluate(code, neighbors)] == [3, 1]
    perovskite = Structure.from_spacegroup(221, Lattice.cubic(3.905), ["Sr", "Ti", "O"], PEROVSKITE)
    give(page, {"a.cif": perovskite.to(fmt="cif").encode()})
    finished(page)
    assert page.inner_text("#status") == "Done: 1 answer."
    page.get_by_role("button", name="a.cif").click()
    assert "need not have the symmetry of the crystal" in page.inner_text("#sites")
    for radio in page.locator("#kinds input").all():
        radio.check()
        cells = page.locator("#neighbors tbody tr").all_inner_texts()
        shells = sorted((name, float(distance)) for name, distance, *_ in map(str.split, cells))
        assert all(a[0] != b[0] or b[1] - a[1] > 0.015 for a, b in pairwise(shells))


def test_a_zip_is_answered_file_by_file(page, files, make_zip):
    give(page, {"all.zip": make_zip(files)})
    finished(page)
    assert texts(page, 1) == [f"all.zip/{name}" for name in files]


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"forced_colors": "active"}])
def test_a_narrow_window_shows_all(open_page, files, options):
    page = open_page(viewport={"width": 360, "height": 640}, **options)
    give(page, files)
    finished(page)
    page.get_by_role("button", name="NaCl.cif").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for region in page.locator(".scroll").all():
        assert region.evaluate("region => region.scrollWidth <= region.clientWidth")
    for cell in page.locator("#table tbody td, #table tbody th").all():
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["height"] < 100
    assert page.locator("#table td").nth(1).evaluate("cell => getComputedStyle(cell, '::before').content") == (
        '"Band gap (eV)"'
    )


def test_beside_a_crystal_headers_are_short_and_ids_whole(open_page, files):
    page = open_page(viewport={"width": 1280, "height": 800})
    give(page, files)
    finished(page)
    page.get_by_role("button", name="NaCl.cif").click()
    for header in page.locator("#table th[scope=col]:visible").all():
        assert header.bounding_box()["height"] < 70
    ids = page.locator("#facts .whole").all()
    assert len(ids) == 3
    for shown in ids:
        assert shown.bounding_box()["height"] < 30
    assert page.locator("#table .nearest:visible").count() == 0
    page.get_by_role("button", name="Back to the table").click()
    assert page.locator("#table .nearest:visible").count() == 5


def test_everything_that_is_pressed_has_a_name(page, files):
    give(page, files)
    finished(page)
    page.get_by_role("button", name="NaCl.cif").click()
    for control in page.locator("button, input:not([hidden]), summary, [tabindex='0']").all():
        name = control.evaluate("c => c.textContent.trim() || c.labels?.[0]?.textContent.trim() || c.ariaLabel")
        assert name or control.get_attribute("aria-labelledby")
    assert page.locator("#status").get_attribute("role") == "status"
    page.get_by_role("button", name="Choose files").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_cancel_ends_the_work_and_says_what_was_left_out(page, files):
    give(page, {f"{k}.cif": files["CsCl.cif"] for k in range(200)})
    page.locator("#table tbody tr").nth(2).wait_for()
    page.get_by_role("button", name="Cancel").click()
    finished(page, "Cancelled")
    answered = len(texts(page, 1))
    assert 2 < answered < 200
    assert f"{200 - answered} files left out" in page.inner_text("#status")
    assert page.locator("#working").is_hidden()
    give(page, {"CsCl.cif": files["CsCl.cif"]})
    finished(page)
    assert len(texts(page, 1)) == answered + 1
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#found").is_hidden()


def test_two_pages_wait_for_each_other_and_a_closed_one_for_none(open_page, files):
    many = {f"{k}.cif": files["CsCl.cif"] for k in range(15)}
    one, other, closed = open_page(), open_page(), open_page()
    for page in (closed, one, other):
        give(page, many)
    closed.close()
    for page in (one, other):
        finished(page)
        assert texts(page, 1) == list(many)


def test_too_large_and_too_many_are_rows(page, files):
    give(page, {"large.cif": b" " * (2**23 + 1), "NaCl.cif": files["NaCl.cif"]})
    finished(page)
    reason, formula = texts(page, 2)
    assert "larger than 8 MiB" in reason
    assert formula == "NaCl"
    page.evaluate(DROP, ["#drop", [[f"{k}.cif", ""] for k in range(2100)]])
    page.locator("#table", has_text="the page takes at most 2000 files").wait_for()
    page.get_by_role("button", name="Cancel").click()


@pytest.mark.slow
def test_two_hundred_files(page, structures):
    files = {f"{k}.cif": structures[k % len(structures)].to(fmt="cif").encode() for k in range(200)}
    give(page, files)
    page.locator("#counted", has_text="of 200 files").wait_for()
    page.locator("#table tbody button").first.click()  # the page can be used meanwhile
    assert page.locator("#detail").is_visible()
    finished(page)
    assert texts(page, 1) == list(files)


def test_a_server_that_ended_is_said(browser, files):
    server = Server()
    page = browser.new_page()
    page.goto(server.address.geturl())
    page.get_by_role("heading", name="Band gap of crystals").wait_for()
    server.end()
    give(page, {"a.cif": files["NaCl.cif"], "b.cif": files["NaCl.cif"]})
    finished(page)
    assert texts(page, 2) == ["no answer: is sitenet serve still running?"] * 2
    page.close()


def test_a_lost_answer_is_that_of_one_file(browser, server, files):
    page = browser.new_page()
    page.goto(server.address.geturl())
    page.get_by_role("heading", name="Band gap of crystals").wait_for()
    page.route("**/answers?name=b.cif", lambda route: route.abort())
    give(page, dict.fromkeys(("a.cif", "b.cif", "c.cif"), files["NaCl.cif"]))
    finished(page)
    assert texts(page, 2) == ["NaCl", "the answer was lost: drop the file once more", "NaCl"]
    page.close()
