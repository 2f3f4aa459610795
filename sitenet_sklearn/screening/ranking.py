"""Which crystals are best: their scores, and the best of many in little memory."""

import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

SHARE = 10
"""A diverse choice is among one in so many of all ranked crystals,"""

LEAST, MOST = 2, 10
"""but among at least and at most so many times as many as are wanted."""

_RULES = {
    "lower": "the largest lower end of the interval",
    "upper": "the smallest upper end of the interval",
    "value": "the largest prediction",
    "interval": "the interval that lies deepest inside the window",
}
_SCORES = {
    "lower": "The score is the lower end of the interval.",
    "upper": "The score is the upper end of the interval with the opposite sign.",
    "value": "The score is the prediction.",
    "smallest": "The score is the prediction with the opposite sign.",
    "interval": "The score is how far the interval lies inside the window, min(lower - {0}, {1} - upper): where it is "
    "not negative, the whole interval is inside.",
}


@dataclass(frozen=True)
class Ranking:
    """What is best, and how many of the best are wanted.

    Attributes
    ----------
    top : int
        How many.
    by : {"lower", "upper", "value", "interval"}
        "lower": the largest lower end of the interval; "upper": the smallest upper end; "value": the largest
        prediction; "interval": how far the interval lies inside the window, min(lower - A, B - upper).
    between : pair of float or None
        The window (A, B), in the unit of the prediction. Crystals predicted outside of it have no score.
    smallest : bool
        Whether the smallest prediction is the best, for "value".
    diverse : bool
        Whether to choose, among more of the best, crystals that differ from each other.

    Raises
    ------
    ValueError
        If they mean nothing.
    """

    top: int = 1000
    by: str = "value"
    between: tuple[float, float] | None = None
    smallest: bool = False
    diverse: bool = False

    def __post_init__(self):
        if not isinstance(self.top, Integral) or isinstance(self.top, bool) or self.top < 1:
            raise ValueError(f"top must be a positive integer, got {self.top!r}")
        if not isinstance(self.by, str) or self.by not in _RULES:
            raise ValueError(f"by must be one of {', '.join(_RULES)}, got {self.by!r}")
        if self.smallest and self.by != "value":
            raise ValueError(
                f"smallest goes with ranking by 'value', not by {self.by!r}: leave out smallest ('upper' alone ranks "
                "by the smallest upper end), or rank by 'value'"
            )
        if self.between is None:
            if self.by == "interval":
                raise ValueError("ranking by 'interval' takes a window: give its ends, --between A B (between=(A, B))")
            return
        ends = tuple(self.between) if isinstance(self.between, Iterable) else ()
        numbers = [end for end in ends if isinstance(end, Real) and not isinstance(end, bool)]
        if len(ends) != 2 or len(numbers) != 2 or not ends[0] < ends[1]:
            raise ValueError(f"between must be two numbers, the smaller one first, got {self.between!r}")
        if self.by == "interval" and np.isinf(ends).all():
            raise ValueError(f"ranking by 'interval' takes a window with a finite end, got between {self.between!r}")

    @property
    def n_held(self):
        """How many of the best to hold until all are known."""
        return self.top * MOST if self.diverse else self.top

    def pool(self, ranked, n_ranked):
        """Take those of the best crystals to choose from.

        Where crystals shall differ, these are a tenth of all that are ranked, but two to ten times as many as are
        wanted; by "interval" only those whose whole interval is inside the window, if there are enough of them.

        Parameters
        ----------
        ranked : list of tuple
            The best crystals, the best first, as many as are held; each begins with its score.
        n_ranked : int
            How many crystals have a score.

        Returns
        -------
        list of tuple
            The first ones. No more than `top` if nothing is left to choose: then all of them are chosen.

        Examples
        --------
        >>> ranked = [(1.0 - k, k) for k in range(10)]
        >>> len(Ranking(top=2, diverse=True).pool(ranked, 30))
        4
        >>> Ranking(top=1, by="interval", between=(1, 2), diverse=True).pool(ranked, 30)
        [(1.0, 0), (0.0, 1)]
        """
        if not self.diverse:
            return ranked[: self.top]
        n_pool = min(max(LEAST * self.top, math.ceil(n_ranked / SHARE)), MOST * self.top)
        if self.by == "interval":
            n_pool = max(self.top, min(n_pool, sum(entry[0] >= 0 for entry in ranked)))
        return ranked[:n_pool]

    def rule(self, unit=""):
        """Say what is best, as in "Ranked by ...", with the unit of the prediction."""
        said = "the smallest prediction" if self.smallest else _RULES[self.by]
        if self.by == "interval":
            return f"{said} {self._window(unit, 'to')}"
        return said if self.between is None else f"{said}, of crystals predicted between {self._window(unit)}"

    def legend(self, n_pool):
        """Say what scores and ranks mean, if so many crystals were to choose from."""
        score = _SCORES["smallest" if self.smallest else self.by]
        if self.by == "interval":
            score = score.format(*(f"{end:g}" for end in self.between))
        if not self.diverse:
            return score
        if n_pool <= self.top:
            inside = " with the whole interval inside" if self.by == "interval" else ""
            return f"{score} Ranks follow the score, as too few crystals{inside} are there to choose different ones."
        return (
            f"{score} Ranks follow diversity, not the score: the first crystal is the best one, and each further one "
            f"is, of the {n_pool:,} best, the one that differs most from those before it."
        )

    def shortage(self, n_ranked, unit=""):
        """Say how many crystals have a score where these are fewer than are wanted; else nothing."""
        if n_ranked >= self.top:
            return ""
        one, verb = ("", "is") if n_ranked == 1 else ("s", "are")
        what = "could be ranked" if self.between is None else f"{verb} predicted between {self._window(unit)}"
        return f"{n_ranked:,} crystal{one} {what}, {self.top:,} were asked for"

    def _window(self, unit, word="and"):
        return f"{self.between[0]:g} {word} {self.between[1]:g} {unit}".rstrip()

    def scoring(self, columns) -> Callable:
        """Make the function that says how good a crystal is.

        Parameters
        ----------
        columns : list of str
            Names of the answers of the model.

        Returns
        -------
        callable
            Takes the answers, a list, and returns the score, -inf where there is none.

        Raises
        ------
        ValueError
            If the model does not have what the ranking takes.

        Examples
        --------
        >>> score = Ranking(by="interval", between=(1.0, 2.0)).scoring(["prediction", "lower", "upper"])
        >>> score([1.5, 1.25, 1.5]), score([1.5, 0.5, 1.75]), score([2.5, 1.5, 3.5])
        (0.25, -0.5, -inf)
        """
        if "prediction" not in columns:
            raise ValueError(f"crystals are ranked by one prediction, but the model answers with {', '.join(columns)}")
        if self.by != "value" and "lower" not in columns:
            raise ValueError(
                f"ranking by {self.by!r} takes a model with intervals, a CalibratedRegressor: rank by 'value'"
            )
        lower, upper, value = (columns.index(name) if name in columns else None for name in _ENDS)
        low, high = (-np.inf, np.inf) if self.between is None else self.between
        sign = -1.0 if self.smallest else 1.0
        rule = {
            "lower": lambda answers: answers[lower],
            "upper": lambda answers: -answers[upper],
            "value": lambda answers: sign * answers[value],
            "interval": lambda answers: min(answers[lower] - low, high - answers[upper]),
        }[self.by]

        def score(answers):
            found = rule(answers) if low <= answers[value] <= high else -np.inf
            return -np.inf if np.isnan(found) else found

        return score


_ENDS = ("lower", "upper", "prediction")


class Best:
    """The best of many, of which no more than n are held; of equal scores the first ones.

    Parameters
    ----------
    n : int
        How many to hold.

    Attributes
    ----------
    n_ranked : int
        How many had a score so far.

    Examples
    --------
    >>> best = Best(2)
    >>> for number, score in enumerate([0.5, 2.0, 1.0, 2.0]):
    ...     best.offer(score, number)
    >>> [number for _, number, _ in best.ranked()], best.n_ranked
    ([1, 3], 4)
    """

    def __init__(self, n):
        self.n, self.n_ranked, self._heap = n, 0, []

    def offer(self, score, number, what=None):
        """Take a candidate with its score and number, numbers ascending, and something to keep with it."""
        if score == -np.inf:
            return
        self.n_ranked += 1
        if len(self._heap) < self.n:
            heapq.heappush(self._heap, (score, -number, what))
        elif (score, -number) > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (score, -number, what))

    def ranked(self):
        """List (score, number, what), the best first."""
        return [(score, -number, what) for score, number, what in sorted(self._heap, key=lambda e: e[:2], reverse=True)]
