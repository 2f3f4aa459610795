"""What the commands share: options, models, and messages."""

import json
from pathlib import Path
from typing import Annotated, Literal

import joblib
import typer

from sitenet_sklearn.estimators.persistence import load_model
from sitenet_sklearn.pretrained import pretrained_file
from sitenet_sklearn.tables.readable import check_sources

MODELS = (".safetensors", ".joblib")


def find_model(path: Path | None):
    """Find the file of a model that comes with the library by its name; leave other paths as they are."""
    if path is None or path.exists() or path.suffix or len(path.parts) > 1:
        return path
    try:
        return pretrained_file(path.name)
    except ValueError as error:
        raise typer.BadParameter(f"no model file {path}, and {error}") from error


def _model_first(path: Path):
    """Find the file of a model, and say so where a crystal stands in its place."""
    found = find_model(path)
    if found.exists() and found.suffix not in MODELS:
        raise typer.BadParameter(
            f"{path} is not a model file: its name must end in {' or '.join(MODELS)}; the model comes first, as in "
            f"sitenet predict band_gap {path}"
        )
    if not found.exists():
        raise typer.BadParameter(f"no model file {path}")
    return found


def _all_readable(paths: list[Path]):
    """Refuse sources that are not there or cannot hold crystals, all together."""
    try:
        check_sources(paths)
    except (FileNotFoundError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    return paths


def _there(path: Path):
    if not path.exists():
        raise typer.BadParameter(f"there is no such file or folder: {path}")
    return path


MODEL_HELP = "A model of the library by its name, as band_gap, or a file: .safetensors, or .joblib if you trust it."
ModelFile = Annotated[Path, typer.Argument(callback=_model_first, help=MODEL_HELP)]
TableFile = Annotated[
    Path,
    typer.Argument(
        callback=_there,
        help="CSV, TSV, lines of JSON (.jsonl) or an array, also as .gz, or a folder with CIF files and id_prop.csv.",
    ),
]
CrystalFiles = Annotated[
    list[Path],
    typer.Argument(
        callback=_all_readable,
        help="Crystals: CIF, POSCAR and other formats of pymatgen; tables and folders of crystals.",
    ),
]
Sources = Annotated[
    list[Path],
    typer.Argument(
        callback=_all_readable,
        help="Tables in CSV or lines of JSON, folders of crystals, zip archives (.zip), databases of ASE (.db), files "
        "of single crystals.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="Column of the target; repeat for several. Those of id_prop.csv are 1 (default), 2, ...",
    ),
]
StructureColumn = Annotated[
    str | None, typer.Option(help="Column of crystals: paths, CIF, POSCAR or JSON. Default: found by its name.")
]
Skip = Annotated[
    Literal["raise", "skip"], typer.Option(help="What to do with rows that cannot be used: stop, or leave them out.")
]


def check_jobs(jobs: int):
    """Refuse a number of processes that means nothing."""
    if jobs == 0:
        raise typer.BadParameter("0 processes cannot work: pass 1 or more, or -1 for one per core")
    return jobs


Jobs = Annotated[int, typer.Option(callback=check_jobs, help="Processes that featurize; -1 for one per core.")]
Json = Annotated[bool, typer.Option("--json", help="Give results as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        help="A parameter of featurizer or Site-Net, as sitenet__lr=0.001; may repeat.",
    ),
]
MaxAtoms = Annotated[int, typer.Option(min=1, max=10_000, help="Size of the supercells, in atoms.")]
MaxEpochs = Annotated[int, typer.Option(min=1, help="Length of training, in epochs.")]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Classify = Annotated[bool, typer.Option("--classify", help="The target is a class, not a number.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output files that exist.")]


def say(message):
    """Write a line to stderr: stdout is for results."""
    typer.echo(message, err=True)


def say_left_out(failures, what="left out"):
    """Write to stderr what was left out, and why."""
    if failures:
        say("\n  ".join([f"{what}: {len(failures)}", *map(str, failures)]))


def load_pipeline(path, device="auto"):
    """Load a fitted pipeline written by `save_model` or by joblib.

    Parameters
    ----------
    path : pathlib.Path
        File, ending in ".safetensors", or in ".joblib": joblib runs code that the file names, as every pickle does, so
        open only those you trust.
    device : str, default="auto"
        Where to compute; a model of joblib computes where it did before.

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    if not path.is_file():
        raise typer.BadParameter(f"no model file {path}")
    if path.suffix not in MODELS:  # a pickle can have any name: no table or crystal is opened as one by mistake
        raise typer.BadParameter(f"{path} is not a model file: its name must end in {' or '.join(MODELS)}")
    if path.suffix == ".safetensors":
        return load_model(path, device=device)
    try:
        pipeline = joblib.load(path)
    except Exception as error:  # a damaged pickle can raise anything
        raise typer.BadParameter(f"{path} is no model written by joblib: {error!r:.200}") from error
    if not hasattr(pipeline, "predict"):
        raise typer.BadParameter(f"{path} holds a {type(pipeline).__name__}, which cannot predict")
    return pipeline


def parse_parameters(entries):
    """Turn entries NAME=VALUE into a dict; values are JSON, or text where they are not.

    Parameters
    ----------
    entries : list of str or None
        Such as "sitenet__lr=0.001" and "sitenet__post_pool_layers=[100, 100]".

    Returns
    -------
    dict of str to object
        Lists become tuples.
    """
    parameters = {}
    for entry in entries or []:
        name, equals, text = entry.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--parameter {entry!r} is not of the form NAME=VALUE, as sitenet__lr=0.001")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        parameters[name] = tuple(value) if isinstance(value, list) else value
    return parameters
