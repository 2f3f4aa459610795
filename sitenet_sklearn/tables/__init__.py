"""Tables: crystals, targets and predictions as files have them.

`rows` reads CSV and lines of JSON in bounded memory, `reading` these, folders and single files; `labelled` adds targets
and finds all that is wrong with them before anything long begins; `predictions` makes the table of predictions, and
goes on after a kill.
"""

from .labelled import Labelled, read_labelled
from .predictions import predict_rows, predict_tables
from .reading import CrystalTable, read_table, read_tables

__all__ = [
    "CrystalTable",
    "Labelled",
    "predict_rows",
    "predict_tables",
    "read_labelled",
    "read_table",
    "read_tables",
]
