"""`screen`: from many crystals to a table of all, the best of them, and a report."""

import json
import os
import warnings
from contextlib import ExitStack
from functools import partial
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn.base import clone, is_classifier
from tqdm.auto import tqdm

from sitenet_sklearn._files import written_whole
from sitenet_sklearn.displays.screening_report import write_screening_report
from sitenet_sklearn.estimators.calibrated import check_level
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.prediction_table import prediction_columns
from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.plain_text import printable
from sitenet_sklearn.tables.readable import check_sources
from sitenet_sklearn.tables.reading import read_tables

from .clusters import check_processes, processes_of
from .output_files import check_outputs, checksum_of, files_of, sole_writer
from .ranking import Best, Ranking
from .results import BATCH, Distributions, table_of, table_writer
from .rounds import run_rounds
from .sources import pick_rows, rows_from
from .top import choose_top, write_top
from .work_folder import WorkFolder

N_REASONS = 20
"""Most frequent reasons of failures that the report lists."""

N_NAMED = 3
"""Sources that the report names; the others are counted."""


class Screening(NamedTuple):
    """What a screening has found.

    Attributes
    ----------
    output, top_file, report_file : pathlib.Path
        The table of all rows, that of the best crystals, and the report.
    top : pandas.DataFrame
        The best crystals: `rank`, `score`, `id`, `formula`, the answers of the model, and `cif`.
    n_rows, n_crystals, n_failed : int
        Rows of the sources; different crystals among them, each predicted once; and rows that failed.
    """

    output: Path
    top_file: Path
    report_file: Path
    top: pd.DataFrame
    n_rows: int
    n_crystals: int
    n_failed: int


def screen(
    model,
    sources,
    output,
    *,
    top=1000,
    by="value",
    between=None,
    smallest=False,
    diverse=False,
    level=0.9,
    structure_column=None,
    chunk_size=256,
    n_jobs=-1,
    scheduler=None,
    quantity="prediction",
    unit="",
    about=None,
    overwrite=False,
    verbose=0,
) -> Screening:
    """Predict for up to 10^7 crystals, and find the best of them.

    Reading, featurizing and predicting fill all processes together, a bounded number of rows at a time. The same
    crystal, described by another cell, origin, orientation or order of sites, is predicted once. After an interruption,
    even ``kill -9``, the same call goes on with the round of rows at which it was; finished rows are kept in the folder
    ``<output>.partial``. Beside the table of all rows, it writes the best ones into ``<stem>-top.csv``, with their
    structures, and a report into ``<stem>-report.html``.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted, for one number: a pipeline whose first step is a `SupercellFeaturizer`, such as from `load_pretrained`.
    sources : path-like or list of path-like
        Tables in CSV or lines of JSON, folders of crystals with all folders inside, zip archives, databases of ASE, and
        files of one crystal. Where there are several, ids begin with the source, but for those of tables.
    output : path-like
        Table to write, a row for every row of the sources: .parquet (takes pyarrow) or .csv.
    top : int, default=1000
        How many of the best crystals to write and show.
    by : {"value", "lower", "upper", "interval"}, default="value"
        What is best: "value" the largest prediction, "lower" the largest lower end of the interval, "upper" the
        smallest upper end, "interval" the interval that lies deepest inside the window `between`.
    between : pair of float, default=None
        Window (A, B), in the unit of the prediction. Crystals predicted outside of it are not ranked. "interval" takes
        one, and ranks by min(lower - A, B - upper).
    smallest : bool, default=False
        Whether the smallest prediction is the best, for "value".
    diverse : bool, default=False
        Whether to take the best crystal and then always that which differs most from all that were taken, in the
        representation of the network. They are taken from the best tenth of all ranked crystals, but at least twice and
        at most ten times `top`; for "interval" only from those whose whole interval is inside the window, if there are
        at least `top` of them.
    level : float, default=0.9
        Share of values inside the intervals.
    structure_column : str, default=None
        Column of crystals in tables; None finds it by its name.
    chunk_size : int, default=256
        Crystals that a process gets at a time.
    n_jobs : int, default=-1
        Number of processes; -1 is one for every core. None takes what `joblib.parallel_config` says. If all rows are
        one chunk, this process does the work.
    scheduler : str or distributed.Client, default=None
        Dask cluster to work on, instead of the processes of this machine: its address, its file (.json), or a client.
        All of its workers are used. They must see the sources and the folder of `output` under the same names.
    quantity : str, default="prediction"
        What the report calls the predicted quantity.
    unit : str, default=""
        Its unit.
    about : dict of str to str, default=None
        What else the report says of the model, such as ``{"name": "band_gap", "learned from": "..."}``.
    overwrite : bool, default=False
        Whether outputs that exist may be replaced.
    verbose : int, default=0
        Whether to show progress; the remaining time follows from the recent rate.

    Returns
    -------
    Screening

    Raises
    ------
    FileExistsError
        If an output exists, or another process writes it.
    FileNotFoundError, ValueError
        If a source is not there, is none, or is damaged, if a parameter or the model does not fit, or if the folder of
        unfinished work is of another model, other sources or other options.
    OSError
        If an output or the folder of unfinished work cannot be written, for instance on a full disk.
    RuntimeError
        If the sources were altered while they were screened, or if one of the processes was killed.
    ModuleNotFoundError
        If a package is missing with which the report, a Parquet file or a scheduler works.

    Warns
    -----
    UserWarning
        If fewer than `top` crystals could be ranked, as the others are predicted outside of the window or have no
        prediction. The report says so too, and also where there were no more crystals.

    Examples
    --------
    >>> import tempfile
    >>> from sitenet_sklearn import load_pretrained
    >>> from sitenet_sklearn.datasets import load_dielectric
    >>> from sitenet_sklearn.screening import screen
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, structure in zip("abc", load_dielectric().data, strict=False):
    ...     _ = structure.to(filename=str(folder / f"{name}.vasp"), fmt="poscar")
    >>> found = screen(load_pretrained("band_gap"), folder, folder / "gaps.csv", top=2, by="lower", n_jobs=1)
    >>> found.n_rows, found.n_crystals, found.top["formula"].tolist()
    (3, 3, ['CdCl2', 'Rb2Te'])
    """
    ranking = Ranking(top, by, between, smallest, diverse)
    sources = [Path(source) for source in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    _check_options(sources, level, chunk_size)
    check_processes(scheduler, n_jobs)
    answers = _answers_of(model, level)
    ranking.scoring(answers)
    files = files_of(Path(output))
    told = {"model": model, "about": about, "data": _names_of(sources)}
    told |= {"quantity": quantity, "unit": unit, "level": level}
    reading = {"structure_column": structure_column, "chunk_size": chunk_size, "tell_unread": False}
    options = json.dumps({"level": float(level), "structure_column": structure_column})
    n_jobs = None if scheduler is not None else n_jobs
    with sole_writer(files):
        check_outputs(files, sources, overwrite=overwrite)
        check_sources(sources)
        contents = contents_of(_with_progress(read_tables(sources, **reading | {"tell_unread": True}), verbose))
        if n_jobs is not None and contents.n_rows <= chunk_size:
            n_jobs = 1  # done before other processes have started
        job = {"sources": contents.checksum, "options": options}
        with WorkFolder(output, model, job) as work, processes_of(scheduler):
            done = work.ledger.n_rows
            progress = {"desc": "screen", "unit": "crystal", "disable": not verbose, "smoothing": 0.1}
            with tqdm(total=contents.n_rows, initial=done, **progress) as bar:
                rows = rows_from(sources, done, **reading)
                run_rounds(work.ledger, rows, work.model_file, level=level, n_jobs=n_jobs, done=bar.update)
            find_again = partial(_find_again, work, contents, sources, reading)
            found, shortage = _finish(work, files, ranking, answers, told, find_again=find_again, n_jobs=n_jobs)
    if shortage and (between is not None or found.n_crystals > len(found.top)):
        warnings.warn(shortage, stacklevel=2)
    return found


def _find_again(work, contents, sources, reading, numbers):
    """Read the best crystals once more, from sources that must be what they were."""
    crystals, found = pick_rows(sources, numbers, **reading)
    if found != contents or work.ledger.n_rows != contents.n_rows:
        work.ledger.spoil()
        raise RuntimeError(
            "the sources were altered while they were screened, so answers may be those of other crystals: "
            f"do not alter them, remove {work.path}, and run the same command again"
        )
    return crystals


def _finish(work, files, ranking, columns, told, *, find_again, n_jobs):
    """Write the table of all rows, that of the best, and the report; the first gets its name last."""
    ledger, score, best = work.ledger, ranking.scoring(columns), Best(ranking.n_held)
    with ExitStack() as stack:
        output, top_file, report_file = new = [
            stack.enter_context(written_whole(path, temporary=work.unfinished(path))) for path in files
        ]
        with table_writer(output, files[0].suffix) as write:
            distributions = _write_all(ledger, columns, write, lambda row: best.offer(score(row.answers), row.row, row))
        pool = ranking.pool(best.ranked(), best.n_ranked)
        crystals = find_again([number for _, number, _ in pool])
        chosen, structures = choose_top(pool, ranking, crystals, work.model_file, n_jobs=n_jobs)
        top = write_top(top_file, chosen, structures, columns)
        counts = dict(zip(("n_rows", "n_crystals", "n_failed"), ledger.counts(), strict=True))
        shortage = ranking.shortage(best.n_ranked, told["unit"])
        write_screening_report(
            report_file,
            top,
            structures,
            **counts,
            values=distributions.counts,
            elements=distributions.elements,
            n_flagged=distributions.n_flagged,
            reasons=ledger.reasons(N_REASONS),
            ranking=ranking.rule(told["unit"]),
            legend=ranking.legend(len(pool)),
            shortage=shortage,
            **told,
        )
        ledger.sign({path.name: checksum_of(written) for path, written in zip(files, new, strict=True)})
    return Screening(*files, top, **counts), shortage


def _write_all(ledger, columns, write, offer):
    """Write all rows, offer every crystal once to the choice of the best, and count."""
    rows, distributions = iter(ledger), Distributions()
    while batch := list(islice(rows, BATCH)):
        write(table := table_of(batch, columns))
        distributions.add(table)
        for row in batch:
            if row.crystal == row.row:
                offer(row)
    return distributions


def _names_of(sources):
    """Name some sources, and count the others."""
    names = ", ".join(printable(source.name) for source in sources[:N_NAMED])
    n_others = len(sources) - N_NAMED
    return names if n_others <= 0 else f"{names} and {n_others:,} other{'s' if n_others > 1 else ''}"


def _check_options(sources, level, chunk_size):
    """Raise a ValueError for options that mean nothing."""
    if not sources:
        raise ValueError("screen takes at least one source: a table, folder, archive or file of crystals")
    check_level(level)
    if not isinstance(chunk_size, Integral) or isinstance(chunk_size, bool) or chunk_size < 1:
        raise ValueError(f"chunk_size must be a positive integer, got {chunk_size!r}")


def _answers_of(model, level):
    """Names of what a model answers, or an error that says which models can screen."""
    featurizer, estimator = split_featurizer(model)
    if featurizer is None:
        raise ValueError(
            "screen takes a fitted pipeline whose first step is a SupercellFeaturizer, such as from load_pretrained, "
            f"got {type(model).__name__}; disordered crystals are predicted by sitenet predict --disordered"
        )
    if is_classifier(estimator):
        raise ValueError("screen ranks numbers, and the model is a classifier: use predict_table")
    nothing, _ = clone(featurizer).set_params(on_error="mask", cache=None).transform_with_failures([{}])
    return list(prediction_columns(estimator, nothing, level))


def _with_progress(tables, verbose):
    """Show how many rows were counted."""
    with tqdm(desc="look at the sources", unit="crystal", disable=not verbose) as bar:
        for table in tables:
            yield table
            bar.update(len(table))
