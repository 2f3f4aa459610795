"""Draw the images of docs/serve.md and docs/screen.md in headless Chromium: the page and a report, of bundled crystals.

python docs/draw_page.py

It needs playwright, and Chromium under one of its usual names.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from sitenet_sklearn.datasets import load_dielectric

FOLDER = Path(__file__).parent / "images"
FORMULAS = ("BaTiO3", "GaN", "SrTiO3", "TiO2", "K3BrO")
CHOSEN = "BaTiO3.cif"
LEFT = {"x": 70, "y": 0, "width": 1040}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def crystals():
    """Files of some bundled crystals, and one that is none, as playwright takes them."""
    found = {structure.composition.reduced_formula: structure for structure in load_dielectric().data}
    files = {f"{formula}.cif": found[formula].to(fmt="cif").encode() for formula in FORMULAS}
    files["notes.txt"] = b"no crystal"
    return [{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()]


@contextmanager
def opened(address):
    """Open a page."""
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1180, "height": 1000}, color_scheme="light")
        page.goto(address)
        yield page
        browser.close()


def save(page, name, **what):
    """Save what is seen, in few colours."""
    page.screenshot(path=FOLDER / name, **what)
    with Image.open(FOLDER / name) as image:
        image.quantize(128).save(FOLDER / name, optimize=True)


def draw_page(address):
    """Drop files into the page, and look at one."""
    with opened(address) as page:
        page.get_by_role("heading", name="Band gap of crystals").wait_for()
        page.set_input_files("#files", crystals())
        page.locator("#status", has_text="Done").wait_for()
        page.get_by_role("button", name=CHOSEN).click()
        page.mouse.move(0, 0)
        save(page, "page.png", full_page=True)


def draw_report(folder):
    """Screen the bundled crystals, and show the report down to the end of the table of the best."""
    rows = enumerate(load_dielectric().data)
    lines = [json.dumps({"id": f"x{k}", "structure": structure.as_dict()}) for k, structure in rows]
    (folder / "candidates.jsonl").write_text("\n".join(lines))
    call = [sys.executable, "-m", "sitenet_sklearn", "screen", "band_gap", folder / "candidates.jsonl", "--by", "lower"]
    subprocess.run([*call, "--top", "3", "--output", folder / "gaps.csv"], check=True)  # noqa: S603
    with opened((folder / "gaps-report.html").as_uri()) as page:
        table = page.locator("table").first.bounding_box()
        save(page, "screening.png", full_page=True, clip=LEFT | {"height": table["y"] + table["height"] + 20})


def main():
    """Serve and draw; screen and draw."""
    command = [sys.executable, "-m", "sitenet_sklearn", "serve", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        draw_page(server.stdout.readline().strip())
        server.send_signal(signal.SIGINT)
    with tempfile.TemporaryDirectory() as folder:
        draw_report(Path(folder))


if __name__ == "__main__":
    main()
