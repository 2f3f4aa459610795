"""Answers: what a model says about the crystals of an upload, as rows that JSON can hold."""

import warnings

import numpy as np
from pymatgen.core import Element

from sitenet_sklearn.analysis.summary import site_nets_of
from sitenet_sklearn.analysis.surroundings import surroundings_of
from sitenet_sklearn.crystals.structures import structure_from_content
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.disorder import DisorderedRegressor
from sitenet_sklearn.exceptions import CrystalError, FeaturizationError
from sitenet_sklearn.tables.predictions import predict_rows, rounded
from sitenet_sklearn.tables.reading import TABLES, CrystalTable

from .uploads import crystal_files, shown_name

MAX_DRAWN = 200
"""Largest cell whose sites are described: the number of pairs grows as its square."""

MAX_NEIGHBORS = 80
"""Most neighbours of a site that are drawn: those that get most attention."""

SPREADSHEETS = (".xlsx", ".xls", ".ods")

PARTLY_OCCUPIED = (
    "some sites are partly occupied or shared by several elements, which the page cannot predict; "
    "sitenet predict --disordered can"
)


class Answers:
    """What a fitted model says about files.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted, for crystals that are not featurized yet.
    """

    def __init__(self, model):
        self.model = model
        self.featurizer, estimator = split_featurizer(model)
        self.networks = site_nets_of(estimator)
        if self.featurizer is not None:
            self.featurizer.set_params(cache=None)  # nothing is kept

    def rows(self, name, content):
        """Yield a row for every crystal of an upload, each as soon as it is known.

        Parameters
        ----------
        name : str
            What the browser calls the file.
        content : bytes
            All of it.

        Yields
        ------
        dict
            `file`, `formula`, and either `reason`, why there is no prediction, or `values`, the columns of the
            prediction, and `notes`, what readers warned of; with `sites` from `describe_surroundings`, or
            `not_drawn`, why not.
        """
        try:
            for file in crystal_files(name, content):
                yield self._row(file)
        except Exception as error:  # noqa: BLE001 whoever asked learns why there are no more
            yield {"file": shown_name(name), "formula": None, "reason": f"not read to its end: {_reason_of(error)}"}

    def _row(self, file):
        row = {"file": file.name, "formula": None}
        if file.reason is not None:
            return row | {"reason": file.reason}
        try:
            return self._answer(file, row)
        except Exception as error:  # noqa: BLE001 one odd crystal must not lose the others
            return row | {"reason": _reason_of(error)}

    def _answer(self, file, row):
        _refuse_tables(file)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            structure = structure_from_content(file.last_name, file.content)
        row["formula"] = structure.composition.reduced_formula
        if not structure.is_ordered and not isinstance(self.model, DisorderedRegressor):
            raise CrystalError(PARTLY_OCCUPIED)
        predictions, _ = predict_rows(self.model, CrystalTable([file.name], [structure], None))
        values = predictions.drop(columns=["id", "formula"]).iloc[0].to_dict()
        found = {"values": {str(name): rounded(value) for name, value in values.items()}}
        told = [warning.message for warning in caught if issubclass(warning.category, UserWarning)]
        notes = sorted({" ".join(str(message).split()) for message in told})
        return row | found | {"notes": notes} | self._drawing(structure)

    def _drawing(self, structure):
        if self.featurizer is None or not self.networks:
            return {"not_drawn": "This model has no attention to show."}
        if len(structure) > MAX_DRAWN:
            return {"not_drawn": f"The cell has {len(structure)} sites; up to {MAX_DRAWN} are shown."}
        return {"sites": describe_surroundings(surroundings_of(structure, self.featurizer, self.networks))}


def describe_surroundings(found):
    """Describe the sites of a crystal; sites of one element that get the same attention are one entry.

    Parameters
    ----------
    found : Surroundings
        Of one crystal.

    Returns
    -------
    list of dict
        For each kind of sites its `element`, `count` in the primitive cell, attention `received` and paid to
        `itself`, and its `neighbors`: lists of element, three coordinates in angstrom, and share of the attention.
        Those that get most attention come first.
    """
    symbols = [Element.from_Z(int(number)).symbol for number in found.atomic_numbers]
    kinds = {}
    for site, received in enumerate(found.received):
        kinds.setdefault((symbols[site], f"{received:.4f}"), []).append(site)
    return sorted((_describe(found, symbols, sites) for sites in kinds.values()), key=lambda kind: -kind["received"])


def _describe(found, symbols, sites):
    first = sites[0]
    of, positions, shares = found.neighbors(first)
    strongest = np.argsort(-shares, kind="stable")[:MAX_NEIGHBORS]
    return {
        "element": symbols[first],
        "count": len(sites),
        "received": round(float(found.received[first]), 4),
        "itself": round(float(1 - shares.sum()), 5),
        "neighbors": [
            [symbols[of[k]], *(round(float(x), 6) for x in positions[k]), round(float(shares[k]), 5)] for k in strongest
        ],
    }


def _refuse_tables(file):
    name = file.last_name.lower()
    if name.endswith(SPREADSHEETS):
        raise CrystalError("it is a table, and the page takes crystals: save it as CSV, which sitenet predict takes")
    if name.endswith(TABLES) or (name.endswith(".json") and file.content.lstrip().startswith(b"[")):
        raise CrystalError("it is a table, and the page takes crystals: sitenet predict takes tables")


def _reason_of(error):
    if isinstance(error, FeaturizationError):
        return error.failures[0].reason
    if not isinstance(error, CrystalError):
        return f"unexpected {_details(error)}"
    return str(error) if error.__cause__ is None else f"the file is not read as a crystal: {_details(error.__cause__)}"


def _details(error):
    """Tell what an error says, and its name where that is needed to understand it."""
    name = "" if isinstance(error, ValueError | OverflowError) else f"{type(error).__name__}: "
    return f"{name}{error!s:.200}"
