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

MAX_TEXT = 1000
"""Characters that are shown of what a file says in one place."""


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
    card = card_of(path)
    known = card or (read_model(path)[0].get("about") if path.suffix == ".safetensors" else None)
    if not isinstance(known, dict):
        known = {}
    name = path.parent.name if card else _text(known.get("target")) or "prediction"
    title = name.replace("_", " ")
    return {
        "title": title[:1].upper() + title[1:],
        "unit": _text(known.get("unit")),
        "what": _text(known.get("property")),
        "failures": _texts(known.get("known failures")),
        "unfit": _texts(known.get("do not use for")),
    }


def _text(value):
    """Text that a file may hold in this place, on one line and printable; empty for anything else."""
    words = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words[:MAX_TEXT])


def _texts(values):
    return list(filter(None, map(_text, values))) if isinstance(values, list) else []


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
