"""The command that goes through many candidates: screen."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sitenet_sklearn.network.weights_file import read_model
from sitenet_sklearn.pretrained import card_of
from sitenet_sklearn.screening.screen import screen as run_screening

from .options import Jobs, ModelFile, Overwrite, Quiet, Sources, StructureColumn, load_pipeline, say
from .outputs import check_output


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
        typer.Option(metavar="A B", help="Rank only crystals that are predicted between A and B."),
    ] = None,
    smallest: Annotated[
        bool, typer.Option("--smallest", help="The smallest prediction is the best, for --by value.")
    ] = False,
    diverse: Annotated[
        bool, typer.Option("--diverse", help="Choose, of ten times as many of the best, those that differ most.")
    ] = False,
    level: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Share of values that lie between `lower` and `upper`.")
    ] = 0.9,
    chunk_size: Annotated[int, typer.Option(min=1, help="Crystals that a process gets at a time.")] = 256,
    structure_column: StructureColumn = None,
    jobs: Jobs = -1,
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
    about = read_model(model)[0].get("about", {}) if model.suffix == ".safetensors" else {}
    return str(about.get("target", "prediction")).replace("_", " "), str(about.get("unit", ""))
