"""The commands that train: fit and tune."""

import json
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from sitenet_sklearn._files import written_whole
from sitenet_sklearn.estimators.classifier import SiteNetClassifier
from sitenet_sklearn.tables.labelled import read_labelled
from sitenet_sklearn.tables.predictions import rounded
from sitenet_sklearn.training.checkpoint import checkpoints_kept

from .held_out import fit_and_hold_out, report, share_to_hold_out, with_answers
from .options import (
    MODELS,
    Classify,
    Device,
    Jobs,
    Json,
    MaxAtoms,
    MaxEpochs,
    Overwrite,
    Parameters,
    Quiet,
    Seed,
    Skip,
    StructureColumn,
    TableFile,
    Targets,
    find_model,
    parse_parameters,
    say,
    say_left_out,
)
from .outputs import check_folder, check_output, writes
from .pipelines import begin_from, check_targets, doubts, make_model, study_name, write_fitted
from .study_files import StudyFiles, table_of

Output = Annotated[Path, typer.Option(help="Model to write: .safetensors, or .joblib.")]
CACHE = "crystals.sqlite"


@writes("output")
def fit(
    data: TableFile,
    *,
    output: Output,
    target: Targets = None,
    classify: Classify = False,
    max_atoms: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Size of the supercells, in atoms. Default: 50, or as --from")
    ] = None,
    max_epochs: MaxEpochs = 40,
    device: Device = "auto",
    seed: Seed = 0,
    jobs: Jobs = 1,
    unit: Annotated[str, typer.Option(help="Unit of the target, kept in the file.")] = "",
    members: Annotated[int, typer.Option(min=1, help="Networks to train; the mean of several is better.")] = 1,
    held_out: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Share of crystals to test with and to make intervals. Default: 0.1"),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", callback=find_model, help="Trained model to begin from: band_gap, or a file of save_model."
        ),
    ] = None,
    checkpoint_dir: Annotated[
        Path | None, typer.Option(help="Folder for the checkpoint of the training. Default: OUTPUT.checkpoints")
    ] = None,
    on_error: Skip = "raise",
    parameter: Parameters = None,
    structure_column: StructureColumn = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Train a model on a table of crystals.

    A tenth of the crystals is held out: the error on them is shown beside those of simpler models, and they make the
    intervals of later predictions of a single number. After Ctrl-C or a kill, run the same command again to resume.

    Example: sitenet fit gaps.csv --target band_gap --output gap.safetensors
    """
    parameters = (begin_from(start, max_atoms) if start else {}) | parse_parameters(parameter)
    _check_own(parameters)
    check_output(output, [data, *_pretrained(parameters)], overwrite=overwrite, suffixes=MODELS)
    own_folder = checkpoint_dir is None
    folder = checkpoint_dir or output.with_name(f"{output.name}.checkpoints")
    settings = {"max_atoms": max_atoms or 50, "max_epochs": max_epochs, "device": device, "random_state": seed}
    pipeline = _make(parameters, classify=classify, quiet=quiet, jobs=jobs, **settings)
    check_folder(folder, "--checkpoint-dir (the default)" if own_folder else "--checkpoint-dir")
    crystals = _read(data, target, pipeline, on_error=on_error, structure_column=structure_column)
    cache = folder / CACHE
    pipeline.set_params(featurizer__cache=cache if own_folder else None, sitenet__checkpoint_dir=folder)
    share = share_to_hold_out(len(crystals.y), held_out)
    pipeline = with_answers(pipeline, crystals.y, share=share, members=members, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    try:
        with checkpoints_kept():
            test = fit_and_hold_out(pipeline, crystals, share=share, seed=seed)
            about = report(pipeline, crystals, test, unit)
            write_fitted(pipeline, output, about)
    except KeyboardInterrupt:
        say(f"interrupted; run the same command again to resume from {folder}")
        raise
    if own_folder:
        cache.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
    say(f"wrote {output}; {len(crystals.y) - len(test):,} training crystals, {time.monotonic() - begin:.0f} s")


def tune(
    data: TableFile,
    *,
    output: Output,
    target: Targets = None,
    classify: Classify = False,
    trials: Annotated[int, typer.Option(min=1, help="Trials in the study, those of earlier calls included.")] = 30,
    space: Annotated[Literal["small", "paper"], typer.Option(help="Where to search.")] = "small",
    folds: Annotated[int, typer.Option(min=2, help="Folds of cross-validation.")] = 5,
    pruner: Annotated[
        Literal["halving", "median", "hyperband", "none"], typer.Option(help="How trials that end early are chosen.")
    ] = "halving",
    timeout: Annotated[float | None, typer.Option(min=0, help="Start no new trial after so many seconds.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Journal of the study, or URL of a database. Default: OUTPUT.journal")
    ] = None,
    max_atoms: MaxAtoms = 50,
    max_epochs: MaxEpochs = 40,
    device: Device = "auto",
    seed: Seed = 0,
    jobs: Jobs = 1,
    on_error: Skip = "raise",
    parameter: Parameters = None,
    structure_column: StructureColumn = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
):
    """Search the hyper-parameters that predict held-out crystals best, and train with them.

    After Ctrl-C or a kill, run the same command again to resume the study; run it in several places to share the work.

    Example: sitenet tune gaps.csv --target band_gap --output best.safetensors --trials 30
    """
    search, check_journal = _import_tune()
    parameters, storage = parse_parameters(parameter), storage or f"{output}.journal"
    for path, suffixes in ((output, MODELS), (table_of(output), None)):
        check_output(path, [data, *_pretrained(parameters)], overwrite=overwrite, suffixes=suffixes)
        if "://" not in storage and Path(storage).resolve() == path.resolve():
            raise typer.BadParameter(f"--storage {storage} would be replaced by the output: choose another name")
    try:
        check_journal(storage)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--storage {error}") from error
    settings = {"max_atoms": max_atoms, "max_epochs": max_epochs, "device": device, "random_state": seed, "jobs": jobs}
    pipeline = _make(parameters, classify=classify, quiet=True, **settings)
    crystals = _read(data, target, pipeline, on_error=on_error, structure_column=structure_column)
    if folds > len(crystals.y):
        raise typer.BadParameter(f"--folds {folds} are more than the {len(crystals.y)} crystals: choose fewer")
    name = study_name(data, structure_column, [crystals.names, classify, space, folds, pruner], pipeline)
    files = StudyFiles(output, name, overwrite=overwrite)
    options = {
        "n_trials": trials,
        "timeout": timeout,
        "pruner": pruner,
        "random_state": seed,
        "verbose": int(not quiet),
    }
    kept = storage if "://" in storage else Path(storage)
    try:
        with files.claimed():
            X, y = crystals.structures, crystals.y
            result = search(pipeline, X, y, space, cv=folds, storage=kept, study_name=name, **options)
    except KeyboardInterrupt:
        say(f"interrupted; run the same command again to go on with the study {name} in {storage}")
        raise
    try:
        with files.writing():
            write_fitted(result.best_estimator, output)
            _write_trials(result, files.table)
    except FileExistsError as error:
        raise FileExistsError(f"{error}, with --storage {storage}, where all trials are kept") from error
    _tell_study(result, as_json=as_json)
    say(f"study {name} in {storage}; wrote {output} and {files.table}")


def _make(parameters, **settings):
    """Make the pipeline; what is wrong with the options is wrong usage."""
    for path in _pretrained(parameters):
        if not path.is_file():
            raise typer.BadParameter(f"no model file {path}")
    try:
        return make_model(parameters, **settings)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def _read(data, target, pipeline, *, on_error, structure_column):
    """Read crystals and targets, tell what is left out, and check what the pipeline would refuse."""
    crystals = read_labelled(
        data,
        target or (),
        classify=isinstance(pipeline[-1], SiteNetClassifier),
        on_error=on_error,
        featurizer=pipeline[0],
        structure_column=structure_column,
    )
    say_left_out(crystals.left_out)
    for hint in doubts(crystals, classify=isinstance(pipeline[-1], SiteNetClassifier)):
        say(f"Warning: {hint}")
    check_targets(crystals.y, crystals.structures.index, pipeline[-1])
    return crystals


def _check_own(parameters):
    """Refuse parameters that `fit` sets itself."""
    for name, remedy in (("featurizer__cache", "leave it out"), ("sitenet__checkpoint_dir", "use --checkpoint-dir")):
        if name in parameters:
            raise typer.BadParameter(f"--parameter {name} has no effect, as the command sets it itself: {remedy}")


def _pretrained(parameters):
    """List the file that training begins from, if there is one."""
    return [Path(value) for name, value in parameters.items() if name.endswith("pretrained") and isinstance(value, str)]


def _write_trials(result, table):
    with written_whole(table) as temporary:
        result.trials.to_csv(temporary, index=False, lineterminator="\n")


def _tell_study(result, *, as_json):
    """Print score and parameters of the best trial."""
    score, parameters = rounded(result.study.best_value), result.study.best_params
    if as_json:
        typer.echo(json.dumps({"score": score, "parameters": parameters, "trials": len(result.trials)}))
    else:
        lines = {"score": score} | parameters
        typer.echo("\n".join(f"{name},{value}" for name, value in lines.items()))


def _import_tune():
    try:
        from sitenet_sklearn.tuning.search import tune as search
        from sitenet_sklearn.tuning.studies import check_journal
    except ModuleNotFoundError as error:
        if error.name not in {"optuna", "optuna_integration"}:
            raise
        raise RuntimeError(
            f"tune needs {error.name}: in a clone of the repository, run pip install '.[tune]'"
        ) from error
    return search, check_journal
