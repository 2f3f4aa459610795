"""The command line: parse, call, write."""

import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from tqdm.auto import tqdm

from sitenet_sklearn import __version__
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.disorder import DisorderedRegressor
from sitenet_sklearn.exceptions import FeaturizationError
from sitenet_sklearn.tables.predictions import PredictionFile, predict_tables
from sitenet_sklearn.tables.reading import is_table, read_tables

from . import analysis, screening, serve, training
from .demo import FILES, run_demo
from .options import (
    CrystalFiles,
    Jobs,
    Json,
    MaxAtoms,
    MaxEpochs,
    ModelFile,
    Overwrite,
    Quiet,
    StructureColumn,
    load_pipeline,
    say,
    say_left_out,
)
from .outputs import check_folder, check_output, write_table
from .pipelines import about_of, name_targets

EXTRAS = {
    "ase": "ase",
    "dask": "dask",
    "distributed": "dask",
    "jinja2": "cli",
    "matplotlib": "cli",
    "pyarrow": "screen",
}
"""Packages that commands import when they need them, and the extra of each; `tune` and `serve` name theirs."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def show_version(wanted: bool):
    """Print the version and end."""
    if wanted:
        typer.echo(f"sitenet {__version__}")
        raise typer.Exit


@app.callback()
def sitenet(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
):
    """Predict properties of inorganic crystals with Site-Net."""


def predict(
    model: ModelFile,
    files: CrystalFiles,
    *,
    output: Annotated[
        Path | None, typer.Option(help="File to write instead of stdout; after a kill the same command goes on.")
    ] = None,
    chunk_size: Annotated[int, typer.Option(min=1, help="Most crystals to hold in memory at a time.")] = 1024,
    on_error: Annotated[
        Literal["raise", "mask"], typer.Option(help="If crystals fail: stop, or leave their predictions empty.")
    ] = "raise",
    level: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Share of values that lie between `lower` and `upper`.")
    ] = 0.9,
    disordered: Annotated[
        bool, typer.Option("--disordered", help="Average over ordered arrangements of partly occupied sites.")
    ] = False,
    structure_column: StructureColumn = None,
    jobs: Jobs = 1,
    as_json: Json = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Predict for crystals in files and tables; the result is a table in CSV or lines of JSON.

    Example: sitenet predict band_gap my.cif POSCAR
    """
    check_output(output, [model, *files], overwrite=overwrite)
    pipeline = load_pipeline(model)
    if disordered and not isinstance(pipeline, DisorderedRegressor):
        pipeline = DisorderedRegressor.from_fitted(pipeline, random_state=0)
    options = {"structure_column": structure_column, "chunk_size": chunk_size}
    file = None
    if output is not None:
        form = "json" if as_json else "csv"
        settings = {"level": level} | ({"disordered": True} if disordered else {})
        tables = read_tables(files, **options)
        options["tell_unread"] = False
        file = PredictionFile(output, model, tables, form=form, settings=settings, overwrite=overwrite)
    done = file.rows if file else 0
    if done:
        say(f"{done} crystals are done already")
    name, about = "id" if any(map(is_table, files)) else "file", about_of(model)
    can_mask = on_error == "raise" and split_featurizer(pipeline)[0] is not None
    remedy = "\ncorrect them, or leave their predictions empty with --on-error mask" if can_mask else ""
    handling = {"skip": done, "level": level, "on_error": on_error, "n_jobs": jobs}
    parts = predict_tables(pipeline, read_tables(files, **options), **handling)
    with (
        _told(file, remedy),
        tqdm(desc="predict", unit="crystal", initial=done, disable=True if quiet else None) as bar,
    ):
        for k, (predictions, failures) in enumerate(parts):
            say_left_out(failures, "not predicted")
            named = name_targets(predictions.rename(columns={"id": name}), about)
            if file is None:
                write_table(named, sys.stdout, as_json=as_json, header=not k)
            else:
                file.append(named)
            bar.update(len(named))
    if file is not None:
        file.finish()


@contextmanager
def _told(file, remedy):
    """Say after Ctrl-C what is kept, and what helps where crystals fail."""
    try:
        yield
    except FeaturizationError as error:
        raise RuntimeError(f"{error}{remedy}") from error
    except KeyboardInterrupt:
        if file is not None:
            say(f"interrupted; {file.rows} crystals are kept: run the same command again to resume")
        raise


def demo(
    *,
    output: Annotated[Path, typer.Option(help="Folder for the model, predictions and plot.")] = Path("sitenet-demo"),
    max_atoms: MaxAtoms = 50,
    max_epochs: MaxEpochs = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the models.")] = 0,
    crystals: Annotated[int | None, typer.Option(min=20, max=1056, help="Use only some, for a quick look.")] = None,
    overwrite: Overwrite = False,
):
    """Train on the bundled band gaps and compare with simpler models.

    Example: sitenet demo --output sitenet-demo
    """
    check_folder(output, "--output")
    for name in FILES if output.is_dir() else ():
        check_output(output / name, overwrite=overwrite)
    n = crystals or 1056
    typer.echo(f"Band gaps of {n:,} crystals (Petousis et al. 2017): training Site-Net on 80 %", err=True)
    result = run_demo(output, max_atoms=max_atoms, max_epochs=max_epochs, random_state=seed, n_crystals=crystals)
    typer.echo("model                      test MAE (eV)")
    for name, error in result.errors.items():
        typer.echo(f"{name:<25}  {error:13.3f}")
    typer.echo("\n" + "\n".join(f"wrote {path}" for path in result.files))


for command in (
    demo,
    training.fit,
    predict,
    screening.screen,
    analysis.evaluate,
    analysis.explain,
    training.tune,
    serve.serve,
    analysis.info,
):
    app.command()(command)


def run(arguments=None):
    """Run the command line; turn errors of the user's data and missing optional packages into a message and code 1."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            app(arguments, prog_name="sitenet")
        except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError) as error:
            known = isinstance(error, OSError) and error.filename and error.strerror
            say(f"Error: {error.filename}: {error.strerror}" if known else f"Error: {error}")
            sys.exit(1)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            remedy = f"this needs {error.name}: in a clone of the repository, run pip install '.[{EXTRAS[error.name]}]'"
            say(f"Error: {error if 'pip install' in str(error) else remedy}")
            sys.exit(1)


def _show_warning(message, *_args, **_kwargs):
    say(f"Warning: {message}")
