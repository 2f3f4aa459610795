"""Draw the image of docs/serve.md: the page with bundled crystals, in headless Chromium.

python docs/draw_page.py

It needs playwright, and Chromium under one of its usual names.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from sitenet_sklearn.datasets import load_dielectric

FILE = Path(__file__).parent / "images" / "page.png"
FORMULAS = ("BaTiO3", "GaN", "SrTiO3", "TiO2", "K3BrO")
CHOSEN = "BaTiO3.cif"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def crystals():
    """Files of some bundled crystals, and one that is none, as playwright takes them."""
    found = {structure.composition.reduced_formula: structure for structure in load_dielectric().data}
    files = {f"{formula}.cif": found[formula].to(fmt="cif").encode() for formula in FORMULAS}
    files["notes.txt"] = b"no crystal"
    return [{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()]


def draw(address):
    """Open the page, drop the files, look at one, and save what is seen."""
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1180, "height": 1000}, color_scheme="light")
        page.goto(address)
        page.get_by_role("heading", name="Band gap of crystals").wait_for()
        page.set_input_files("#files", crystals())
        page.locator("#status", has_text="Done").wait_for()
        page.get_by_role("button", name=CHOSEN).click()
        page.mouse.move(0, 0)
        page.screenshot(path=FILE, full_page=True)
        browser.close()
    with Image.open(FILE) as image:
        image.quantize(128).save(FILE, optimize=True)


def main():
    """Serve, draw, and end."""
    command = [sys.executable, "-m", "sitenet_sklearn", "serve", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        draw(server.stdout.readline().strip())
        server.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
