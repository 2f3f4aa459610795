"""How fast crystals are featurized on one core, and what the supercells are like.

    OMP_NUM_THREADS=1 python tests/benchmarks/featurize.py

A row for every data set, shape and size: crystals per second; share of `max_atoms` reached; effective cubic edge;
radius of the largest sphere that the minimum-image convention represents, in angstrom; pairs before / after
compression.
"""

import argparse
import time

import numpy as np
from crystals import samples

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.featurization.records import find_geometry


def measure(structures, max_atoms, shape, site_features):
    """Figures of one row."""
    featurizer = SupercellFeaturizer(max_atoms=max_atoms, shape=shape, site_features=site_features)
    featurizer.transform(structures[:20])
    start = time.perf_counter()
    X = featurizer.transform(structures)
    rate = len(structures) / (time.perf_counter() - start)
    fill, score, radius, full = [], [], [], 0
    for structure in structures:
        _, cell, supercell = find_geometry(structure, featurizer.get_params())
        basis = supercell.matrix @ cell.lattice
        n, columns = supercell.distances.shape
        fill.append(columns / max_atoms)
        edge = (max(1, max_atoms // n) * np.linalg.det(cell.lattice)) ** (1 / 3)
        score.append(3 * supercell.images / max(1, max_atoms // n) * edge**2 / (basis**2).sum())
        radius.append(np.linalg.norm(basis, axis=1).min() / 2)
        full += n * columns
    return rate, np.mean(fill), np.mean(score), np.mean(radius), full / X.pair_sizes.sum()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-matbench", type=int, default=1000)
    parser.add_argument("--max-atoms", type=int, nargs="+", default=[50, 100, 500])
    parser.add_argument("--site-features", default="paper", help="a group of site features")
    options = parser.parse_args()
    print(f"{'data set':<12}{'shape':<9}{'atoms':>6}{'crystals/s':>12}{'fill':>7}{'edge':>7}{'radius':>8}{'pairs':>7}")
    for name, structures in samples(options.n_matbench):
        for shape in ("cubic", "compact"):
            for max_atoms in options.max_atoms:
                rate, *rest = measure(structures, max_atoms, shape, options.site_features)
                print(
                    f"{name:<12}{shape:<9}{max_atoms:>6}{rate:>12.0f}{{:>7.3f}}{{:>7.3f}}{{:>8.2f}}{{:>7.2f}}".format(
                        *rest
                    )
                )
