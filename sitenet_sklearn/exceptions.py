"""Errors of this library, and the record of a crystal that failed."""

from dataclasses import dataclass

__all__ = ["CrystalError", "Failure", "FeaturizationError", "StoreError"]


@dataclass(frozen=True)
class Failure:
    """A crystal that cannot be featurized.

    Attributes
    ----------
    index : int
        Position in the input.
    name : str
        Label in a Series, path of a file, or empty.
    formula : str
        Formula, or "?" where none could be read; messages leave that out.
    reason : str
        What is wrong, and what was expected.
    """

    index: int
    name: str
    formula: str
    reason: str

    def __str__(self):
        known = " ".join(filter(None, (self.name, self.formula.removeprefix("?"))))
        return f"index {self.index} ({known}): {self.reason}" if known else f"index {self.index}: {self.reason}"


class FeaturizationError(RuntimeError):
    """Some crystals cannot be featurized.

    Not a ValueError: search tools that swallow those would hide which crystals failed.

    Parameters
    ----------
    failures : list of Failure
        All the crystals that failed.

    Attributes
    ----------
    failures : list of Failure
        The same.
    """

    def __init__(self, failures: list[Failure]) -> None:
        super().__init__(failures)
        self.failures = failures

    def __str__(self):
        lines = [f"{len(self.failures)} of the crystals cannot be featurized:", *map(str, self.failures)]
        return "\n  ".join(lines)


class CrystalError(RuntimeError):
    """One crystal cannot be featurized; the message says why."""


class StoreError(RuntimeError):
    """A folder is not a store of crystals, or it is damaged; the message names the file."""
