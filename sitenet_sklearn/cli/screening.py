"""The command that goes through many candidates: screen."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sitenet_sklearn.pretrained import card_of
from sitenet_sklearn.screening.ranking import Ranking
from sitenet_sklearn.screening.screen import screen as run_screening

from .options import ModelFile, Overwrite, Quiet, Sources, StructureColumn, check_jobs, load_pipeline, say
from .outputs import check_output
from .pipelines import about_of


def screen(
    model: ModelFile,
    sources: Sources,
    *,
    output: Annotated[Path, typer.Option(help="Table of all rows: .csv, or .parquet (pip install pyarrow).")] = Path(
        "screening.csv"
    ),
    top: Annotated[int, typer.Option(min=1, help="How many of the best crystals to write and show.")] = 1000,
    by: Annotated[
        Literal["value", "lower", "upper", "interval"],
        typer.Option(
            help="What is best: the largest prediction, the largest lower or the smallest upper end of the interval, "
            "or the interval deepest inside --between."
        ),
    ] = "value",
    between: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="A B", help="Rank only crystals that are predicted between A and B, in the model's unit."),
    ] = None,
    smallest: Annotated[
        bool, typer.Option("--smallest", help="The smallest prediction is the best, for --by value.")
    ] = False,
    diverse: Annotated[
        bool,
        typer.Option(
            "--diverse",
            help="Choose those that differ most, of the best tenth of all ranked crystals, but of 2 to 10 times --top.",
        ),
    ] = False,
    level: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Share of values that lie between `lower` and `upper`.")
    ] = 0.9,
    chunk_size: Annotated[int, typer.Option(min=1, help="Crystals that a process gets at a time.")] = 256,
    structure_column: StructureColumn = None,
    jobs: Annotated[
        int, typer.Option(callback=check_jobs, help="Processes that featurize and predict; -1 for one per core.")
    ] = -1,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler to work on: its address, as tcp://host:8786, or its file.")
    ] = None,
    quantity: Annotated[
        str | None, typer.Option(help="What the report calls the prediction. Default: as the model says.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Its unit in the report. Default: as the model says.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Rank up to 10^7 crystals: a table of all, the best with their structures, and a report.

    Example: sitenet screen band_gap candidates.jsonl.gz --output gaps.parquet --by lower --top 1000
    """
    check_output(output, [model, *sources], overwrite=True, suffixes=(".csv", ".parquet"))
    try:
        Ranking(top, by, between, smallest, diverse)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    known_quantity, known_unit = named_by(model)
    try:
        found = run_screening(
            load_pipeline(model),
            sources,
            output,
            top=top,
            by=by,
            between=between,
            smallest=smallest,
            diverse=diverse,
            level=level,
            structure_column=structure_column,
            chunk_size=chunk_size,
            n_jobs=jobs,
            scheduler=scheduler,
            quantity=known_quantity if quantity is None else quantity,
            unit=known_unit if unit is None else unit,
            about=told_of(model),
            overwrite=overwrite,
            verbose=not quiet,
        )
    except FileExistsError as error:
        raise typer.BadParameter(str(error)) from error
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {output}.partial: run the same command again to resume")
        raise
    again = found.n_rows - found.n_crystals - found.n_failed
    say(f"{found.n_rows} rows, {found.n_crystals} different crystals, {again} found again, {found.n_failed} failed")
    say("\n".join(f"wrote {path}" for path in (found.output, found.top_file, found.report_file)))


def named_by(model):
    """Quantity and unit of a model, as its card or its file names them."""
    if card := card_of(model):
        return model.parent.name.replace("_", " "), card["unit"]
    about = about_of(model)
    return str(about.get("target", "prediction")).replace("_", " "), str(about.get("unit", ""))


def told_of(model):
    """Say of a model, for the report, what its card or its file knows.

    Parameters
    ----------
    model : pathlib.Path
        File of the model.

    Returns
    -------
    dict of str to str
        Its `name`, and as far as they are known what it predicts, what it learned from, when, and how well.
    """
    if card := card_of(model):
        name, unit, errors = model.parent.name, card["unit"], card["errors"]
        return {
            "name": name,
            "predicts": card["property"],
            "unit": unit,
            "learned from": card["data"],
            "mean absolute error": _error(errors["mean absolute error"], unit, errors["crystals"]),
            "do not use for": "; ".join(card["do not use for"]),
            "its card": f"sitenet info {name}",
        }
    about = about_of(model)
    known = {"predicts": "target", "unit": "unit", "made on": "date", "crystals in its data": "crystals"}
    said = {word: str(about[name]) for word, name in known.items() if about.get(name)}
    errors = about.get("mean absolute error")
    if isinstance(errors, dict) and "Site-Net" in errors and "held out" in about:
        said["mean absolute error"] = _error(errors["Site-Net"], about.get("unit", ""), about["held out"])
    return {"name": model.name} | said


def _error(value, unit, n_crystals):
    return " ".join(f"{value} {unit} on {n_crystals:,} crystals held out".split())
