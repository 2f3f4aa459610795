"""The rounds of a screening: a bounded number of rows at a time, over all processes.

While the crystals of a round are read and featurized, those of the round before that turned out to be new are
predicted: the two kinds of work fill the processes together, and there is one moment a round when a process may wait.
The first rounds are small, so that something is finished soon. Crystals are predicted together with those of their own
chunk of rows, so that the answers do not depend on the rounds.
"""

import re
import warnings
from collections import deque
from itertools import chain, islice, repeat, zip_longest
from typing import NamedTuple

import numpy as np
from joblib import delayed, effective_n_jobs

from sitenet_sklearn._parallel import results_of
from sitenet_sklearn.crystals.crystal import Crystal
from sitenet_sklearn.crystals.ragged import RaggedCrystals

from .fingerprint import is_same
from .ledger import Row
from .stages import Featurized, featurize_rows, predict_crystals

CHUNKS_A_PROCESS = (1, 2, 4, 8)
"""Chunks of rows that a process gets in the first rounds, about; in all others as many as in the last of these."""

MAX_HELD = 2**31
"""Bytes of records after which a round ends, however few rows it has."""


class Round(NamedTuple):
    """What is known of a round: its rows, fingerprints of new crystals by number, chunks of numbers and records."""

    rows: list[Row]
    crystals: dict
    chunks: list[tuple[list[int], RaggedCrystals]]


def run_rounds(ledger, tables, model_file, *, level=0.9, n_jobs=None, done=None):
    """Screen all rows that are not finished.

    Parameters
    ----------
    ledger : Ledger
        Where finished rows go.
    tables : iterable of CrystalTable
        Chunks of rows, from the first that is not finished.
    model_file : ModelFile
        What to predict with.
    level : float, default=0.9
        Share of values inside the intervals.
    n_jobs : int, default=None
        Number of processes.
    done : callable, default=None
        Called with a number of rows whenever so many more are finished. A row that was featurized counts half.
    """
    progress = _Progress(done or (lambda _: None))
    tables, start, pending, told = iter(tables), ledger.n_rows, Round([], {}, []), set()
    waiting: deque = deque()
    for n_each in chain(CHUNKS_A_PROCESS, repeat(CHUNKS_A_PROCESS[-1])):
        n_chunks = n_each * max(1, effective_n_jobs(n_jobs))  # workers of a cluster come and go
        waiting.extend(islice(tables, max(0, n_chunks - len(waiting))))
        featurized, predicted, held = [], {}, [0]
        tasks = chain.from_iterable(
            filter(None, pair)
            for pair in zip_longest(
                (delayed(predict_crystals)(model_file, *chunk, level) for chunk in pending.chunks),
                _featurizing(model_file, waiting, start, held),
            )
        )
        for result in results_of(tasks, n_jobs=n_jobs, ordered=False):
            if isinstance(result, Featurized):
                featurized.append(result)
                held[0] += _bytes_of(result.crystals)
                progress.add(len(result.ids))
                _warn_of_new(result.warnings, told)
            else:
                predicted.update(zip(result.numbers, result.answers, strict=True))
                progress.add(len(result.numbers))
        if pending.rows:
            new = [(number, found, predicted[number]) for number, found in pending.crystals.items()]
            ledger.add(pending.rows, new)
        if not featurized:
            return
        featurized.sort(key=lambda part: part.start)
        start = featurized[-1].start + len(featurized[-1].ids)
        pending = sort_out(ledger, featurized)
        progress.add(len(pending.rows) - len(pending.crystals))


class _Progress:
    """Halves of rows, told as whole ones: a row is featurized, and predicted or known."""

    def __init__(self, done):
        self._done, self._halves = done, 0

    def add(self, n_halves):
        before, self._halves = self._halves, self._halves + n_halves
        self._done(self._halves // 2 - before // 2)


def sort_out(ledger, featurized):
    """Find out which rows are crystals that are known, of earlier rounds or of this one.

    Parameters
    ----------
    ledger : Ledger
        With all rounds before.
    featurized : list of Featurized
        The parts of the round, in order.

    Returns
    -------
    Round
    """
    rows, fresh, chunks = [], {}, []
    by_key: dict[int, list[int]] = {}
    for part in featurized:
        new = []
        for k, (name, formula, found) in enumerate(zip(part.ids, part.formulas, part.fingerprints, strict=True)):
            row, number = part.start + k, None
            if found is not None:
                number = ledger.find(found)
                number = _find_fresh(found, by_key, fresh) if number is None else number
                if number is None:
                    number, fresh[row] = row, found
                    by_key.setdefault(found.key, []).append(row)
                    new.append(k)
            rows.append(Row(row, name, formula, number, part.reasons.get(row)))
        if new:
            records = [part.crystals[k] for k in new]
            together = RaggedCrystals.from_crystals(records, **part.crystals.metadata)
            chunks.append(([part.start + k for k in new], together))
    return Round(rows, fresh, chunks)


def _find_fresh(found, by_key, fresh):
    for key in found.keys:
        for number in by_key.get(key, ()):
            if is_same(found.projections, fresh[number].projections):
                return number
    return None


def _featurizing(model_file, waiting, start, held):
    """Yield calls that featurize the chunks that wait, until so many records are held in memory."""
    while waiting and held[0] < MAX_HELD:
        table = waiting.popleft()
        yield delayed(featurize_rows)(model_file, table, start)
        start += len(table)


def _bytes_of(crystals):
    return sum(np.asarray(crystals.field(name)).nbytes for name in Crystal._fields)


def _warn_of_new(messages, told):
    """Warn of messages of a kind that was not told yet; numbers in them make no other kind."""
    for message in messages:
        kind = re.sub(r"\d+", "#", message.partition(" (")[0])
        if kind not in told:
            told.add(kind)
            warnings.warn(message, stacklevel=4)
