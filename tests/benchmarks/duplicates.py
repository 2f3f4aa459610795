"""How often a crystal that is described otherwise is found again, and whether two crystals are ever taken for one.

    python tests/benchmarks/duplicates.py --n-matbench 1000

A row for every data set and description: the share of crystals whose fingerprints agree. Descriptions are a random
other cell, the conventional cell and a random supercell, each with a random origin, orientation, handedness and order
of sites; and the same crystals written as CIF, where positions have eight digits. The last row counts pairs of
different crystals of a set with one fingerprint.
"""

import argparse
import warnings

import numpy as np
from crystals import samples
from invariance import descriptions
from pymatgen.core import Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.screening.fingerprint import fingerprint, is_same


def same(a, b):
    """Whether two fingerprints are of one crystal."""
    return a is not None and b is not None and b.key in a.keys and bool(is_same(a.projections, b.projections))


def fingerprints(structures):
    """Fingerprints of structures, None where one cannot be featurized."""
    X, _ = SupercellFeaturizer(on_error="mask").transform_with_failures(structures)
    return [fingerprint(crystal) if valid else None for crystal, valid in zip(X, X.valid, strict=True)]


def pairs_alike(found):
    """Pairs of rows with one fingerprint."""
    by_key = {}
    for k, one in enumerate(found):
        if one is not None:
            by_key.setdefault(one.key, []).append(k)
    groups = (rows for rows in by_key.values() if len(rows) > 1)
    return [(a, b) for rows in groups for a in rows for b in rows if a < b and same(found[a], found[b])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-matbench", type=int, default=1000)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    for name, structures in samples(options.n_matbench):
        rng = np.random.default_rng(0)
        given = fingerprints(structures)
        usable = np.array([one is not None for one in given])
        described = [dict(descriptions(structure, rng)) for structure in structures]
        sets = {kind: [one[kind] for one in described] for kind in described[0]}
        for kind in list(sets):
            texts = [structure.to(fmt="cif") for structure in sets[kind]]
            sets[f"{kind}, CIF"] = [Structure.from_str(text, fmt="cif") for text in texts]
        for kind, others in sets.items():
            found = np.array([same(a, b) for a, b in zip(given, fingerprints(others), strict=True)])
            print(f"{name:<12}{kind:<20}{usable.sum():>6} crystals{found[usable].mean():>9.2%}", flush=True)
        alike = pairs_alike(given)
        formulas = [f"{structures[a].composition.reduced_formula}, rows {a} and {b}" for a, b in alike]
        print(f"{name:<12}pairs with one fingerprint: {len(alike)} {formulas}", flush=True)


if __name__ == "__main__":
    main()
