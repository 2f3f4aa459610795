"""Screening: up to 10^7 crystals ranked, and the choice of what to compute next.

`screen` does all of it: `rounds` spreads the work of `stages` over the processes of this machine or of `clusters`,
`work_folder` and its `ledger` keep what is finished, `fingerprint` finds crystals that are there twice, `ranking`,
`diversity` and `top` choose the best, `results` writes the table, `output_files` keeps the files of others.
`suggest` chooses what to compute next, by an `acquisition` function or by diversity.
"""

from .acquisition import expected_improvement
from .screen import Screening, screen
from .suggest import suggest

__all__ = ["Screening", "expected_improvement", "screen", "suggest"]
