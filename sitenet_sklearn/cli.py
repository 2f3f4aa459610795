"""The command line: parse, call, write."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import joblib
import typer

from .demo import run_demo
from .persistence import load_model
from .structures import as_structure

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def sitenet():
    """Predict properties of inorganic crystals with Site-Net."""


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the model, predictions and plot.")] = Path("sitenet-demo"),
    max_atoms: Annotated[int, typer.Option(min=1, help="Size of the supercells.")] = 100,
    max_epochs: Annotated[int, typer.Option(min=1, help="Length of training.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the models.")] = 0,
    crystals: Annotated[int | None, typer.Option(min=20, max=1056, help="Use only some, for a quick look.")] = None,
):
    """Train on the bundled band gaps and compare with simpler models."""
    typer.echo("Band gaps of 1,056 crystals (Petousis et al. 2017): training Site-Net on 80 %", err=True)
    result = run_demo(output, max_atoms=max_atoms, max_epochs=max_epochs, random_state=seed, n_crystals=crystals)
    typer.echo("model                      test MAE (eV)")
    for name, error in result.errors.items():
        typer.echo(f"{name:<25}  {error:13.3f}")
    typer.echo("\n" + "\n".join(f"wrote {path}" for path in result.files))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Fitted pipeline: .safetensors, or joblib from those you trust.")],
    files: Annotated[list[Path], typer.Argument(help="Crystals: CIF, POSCAR or what else pymatgen reads.")],
):
    """Predict for crystals in files and print a table as CSV."""
    pipeline = load_pipeline(model)
    predictions = pipeline.predict(files)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "formula", "prediction"])
    for path, value in zip(files, predictions, strict=True):
        writer.writerow([path, as_structure(path).composition.reduced_formula, f"{value:.6g}"])


def load_pipeline(path):
    """Load a fitted pipeline written by `save_model` or by joblib.

    Parameters
    ----------
    path : pathlib.Path
        File. What does not end in ".safetensors" is opened by joblib, which executes code that the file names, as every
        pickle does: open only files you trust.

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    if not path.is_file():
        raise typer.BadParameter(f"no model file {path}")
    if path.suffix == ".safetensors":
        return load_model(path)
    try:
        pipeline = joblib.load(path)
    except Exception as error:  # a damaged pickle can raise anything
        raise typer.BadParameter(f"{path} is no model written by joblib: {error!r:.200}") from error
    if not hasattr(pipeline, "predict"):
        raise typer.BadParameter(f"{path} holds a {type(pipeline).__name__}, which cannot predict")
    return pipeline


def run(arguments=None):
    """Run the command line and turn errors of the user's data into one line and exit code 1."""
    try:
        app(arguments, prog_name="sitenet")
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
