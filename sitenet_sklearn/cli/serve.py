"""The command serve: a page for those who do not program."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from sitenet_sklearn.network.weights_file import read_model
from sitenet_sklearn.pretrained import card_of

from .options import MODEL_HELP, Device, find_model, load_pipeline, say

SERVER = ("starlette", "uvicorn", "anyio", "h11", "click")
"""Packages of the extra."""


def serve(
    model: Annotated[Path, typer.Argument(callback=find_model, help=MODEL_HELP)] = Path("band_gap"),
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this computer; 0 for a free one.")] = 0,
    open_page: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open the page in a browser. Default: where there is a screen."),
    ] = None,
    device: Device = "auto",
):
    """Open a page that takes crystals by drag and drop and shows what a model says about them.

    Only this computer can open it, and it keeps no files. Ctrl-C ends it.

    Example: sitenet serve band_gap
    """
    bound_socket, run = _import_server()

    def ready(address):
        typer.echo(address)
        say("open this address in a browser on this computer; Ctrl-C ends it")
        if has_screen() if open_page is None else open_page:
            webbrowser.open(address)

    with bound_socket(port) as taken:
        run(load_pipeline(model, device), words_of(model), taken, ready)


def words_of(path):
    """Say in words what a model predicts.

    Parameters
    ----------
    path : pathlib.Path
        File of the model.

    Returns
    -------
    dict
        `title` and `unit` of the quantity; `what` it is; `failures`, and what the model is `unfit` for, as lists.
    """
    known = card_of(path)
    if not known and path.suffix == ".safetensors":
        known = read_model(path)[0].get("about", {})
    name = path.parent.name if "property" in known else known.get("target") or "prediction"
    title = str(name).replace("_", " ")
    return {
        "title": title[:1].upper() + title[1:],
        "unit": known.get("unit", ""),
        "what": known.get("property", ""),
        "failures": known.get("known failures", []),
        "unfit": known.get("do not use for", []),
    }


def has_screen():
    """Whether a browser with windows can be opened here."""
    return sys.platform in {"win32", "darwin"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _import_server():
    try:
        from sitenet_sklearn.server.running import bound_socket
        from sitenet_sklearn.server.running import serve as run
    except ModuleNotFoundError as error:
        if error.name not in SERVER:
            raise
        raise RuntimeError(
            f"serve needs {error.name}: in a clone of the repository, run pip install '.[serve]'"
        ) from error
    return bound_socket, run
