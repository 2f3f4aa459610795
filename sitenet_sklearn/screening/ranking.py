"""Which crystals are best: their scores, and the best of many in little memory."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

POOL = 10
"""A diverse choice is among so many times as many of the best."""

_RULES = {
    "lower": "the largest lower end of the interval",
    "upper": "the smallest upper end of the interval",
    "value": "the largest prediction",
    "interval": "the interval that lies deepest inside the window",
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
        The window (A, B); but for "interval", crystals predicted outside of it have no score.
    smallest : bool
        Whether the smallest prediction is the best, for "value".
    diverse : bool
        Whether to choose, of ten times as many, crystals that differ from each other.

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
            raise ValueError(f"smallest goes with by='value', got by={self.by!r}: 'upper' is the smallest upper end")
        if self.between is None:
            if self.by == "interval":
                raise ValueError("by='interval' ranks by a window of values: name its ends with between=(A, B)")
            return
        ends = tuple(self.between) if isinstance(self.between, Iterable) else ()
        numbers = [end for end in ends if isinstance(end, Real) and not isinstance(end, bool)]
        if len(ends) != 2 or len(numbers) != 2 or not ends[0] < ends[1]:
            raise ValueError(f"between must be two numbers, the smaller one first, got {self.between!r}")
        if self.by == "interval" and np.isinf(ends).all():
            raise ValueError(f"by='interval' ranks by a window with an end, got between={self.between!r}")

    @property
    def pool(self):
        """How many of the best to choose from."""
        return self.top * POOL if self.diverse else self.top

    def __str__(self):
        rule = "the smallest prediction" if self.smallest else _RULES[self.by]
        window = "" if self.between is None else f" {self.between[0]:g} to {self.between[1]:g}"
        if window and self.by != "interval":
            window = f" of crystals predicted within{window}"
        return rule + window + (", chosen to differ from each other" if self.diverse else "")

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
        >>> score([1.5, 1.25, 1.5]), score([1.5, 0.5, 1.75])
        (0.25, -0.5)
        """
        if "prediction" not in columns:
            raise ValueError(f"crystals are ranked by one prediction, but the model answers with {', '.join(columns)}")
        if self.by != "value" and "lower" not in columns:
            raise ValueError(f"by={self.by!r} takes a model with intervals, a CalibratedRegressor: rank by 'value'")
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
            ranked = self.by == "interval" or low <= answers[value] <= high
            found = rule(answers) if ranked else -np.inf
            return -np.inf if np.isnan(found) else found

        return score


_ENDS = ("lower", "upper", "prediction")


class Best:
    """The best of many, of which no more than n are held; of equal scores the first ones.

    Parameters
    ----------
    n : int
        How many to hold.

    Examples
    --------
    >>> best = Best(2)
    >>> for number, score in enumerate([0.5, 2.0, 1.0, 2.0]):
    ...     best.offer(score, number)
    >>> best.numbers()
    [1, 3]
    """

    def __init__(self, n):
        self.n, self._heap = n, []

    def offer(self, score, number, what=None):
        """Take a candidate with its score and number, numbers ascending, and something to keep with it."""
        if score == -np.inf:
            return
        if len(self._heap) < self.n:
            heapq.heappush(self._heap, (score, -number, what))
        elif (score, -number) > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (score, -number, what))

    def ranked(self):
        """List (score, number, what), the best first."""
        return [(score, -number, what) for score, number, what in sorted(self._heap, key=lambda e: e[:2], reverse=True)]

    def numbers(self):
        """List the numbers, the best first."""
        return [number for _, number, _ in self.ranked()]
