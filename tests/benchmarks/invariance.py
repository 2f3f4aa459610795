"""How often a prediction depends on the description of a crystal.

    python tests/benchmarks/invariance.py

Every crystal is described anew by a random unimodular change of cell, a shift, a rotation or reflection and a
permutation of its sites; by its conventional cell; and by a random supercell of itself. The same random network
predicts all of them. A row for every data set, shape, size and description: crystals changed by more than 1e-4, largest
change, and the crystals that changed.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import spglib
import torch
from crystals import samples
from pymatgen.core import Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.featurization.records import find_geometry
from sitenet_sklearn.network import SiteNet, collate
from sitenet_sklearn.network.batch import SiteBudgetSampler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from redescribe import redescribe

TOLERANCE = 1e-4


def random_supercell(rng):
    """Integer matrix of determinant 2 to 4."""
    while True:
        matrix = rng.integers(-1, 3, size=(3, 3))
        if 2 <= np.linalg.det(matrix) <= 4.5:
            return matrix


def descriptions(structure, rng):
    """Other descriptions of a crystal, by name."""
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    lattice, coords, numbers = spglib.standardize_cell(cell, no_idealize=True, symprec=1e-3)
    conventional = Structure(lattice, numbers, coords)
    yield "cell", redescribe(structure, rng)
    yield "conventional", redescribe(conventional, rng)
    yield "supercell", redescribe(structure, rng, random_supercell(rng))


def predict(network, X):
    """Predictions of a network, before any clamp."""
    with torch.inference_mode():
        batches = SiteBudgetSampler(X.primitive_sizes, 200)
        return torch.cat([network.raw(collate(X[rows])) for rows in batches]).numpy()


def measure(structures, max_atoms, shape, site_features):
    """Largest change of the prediction of every crystal, and the description that made it."""
    rng = np.random.default_rng(0)
    featurizer = SupercellFeaturizer.from_preset(
        "paper", max_atoms=max_atoms, shape=shape, site_features=site_features, n_jobs=1
    )
    X = featurizer.transform(structures)
    torch.manual_seed(0)
    network = SiteNet(len(X.site_feature_names), clamp=False).eval()
    network.standardize_inputs([collate(X[rows]) for rows in SiteBudgetSampler(X.primitive_sizes, 200)])
    expected = predict(network, X)
    described = [dict(descriptions(structure, rng)) for structure in structures]
    change = {}
    for name in described[0]:
        other = featurizer.transform([d[name] for d in described])
        change[name] = np.abs(predict(network, other) - expected)
    return change, expected.std()


def measure_noise(structures, max_atoms, shape, noise=1e-4):
    """Share of crystals that get another supercell when sites move by `noise` angstrom; median shift of distances."""
    parameters = SupercellFeaturizer.from_preset("paper", max_atoms=max_atoms, shape=shape).record_parameters()
    shifts = []
    for structure in structures:
        distances = find_geometry(structure, parameters)[2].distances
        moved = find_geometry(structure.copy().perturb(noise), parameters)[2].distances
        alike = moved.shape == distances.shape
        shifts.append(np.abs(np.sort(moved, axis=None) - np.sort(distances, axis=None)).max() if alike else np.inf)
    return np.mean(np.array(shifts) > 100 * noise), np.median(shifts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-matbench", type=int, default=1000)
    parser.add_argument("--n-dielectric", type=int, default=1056)
    parser.add_argument("--max-atoms", type=int, nargs="+", default=[50, 100, 500])
    parser.add_argument("--shape", nargs="+", default=["cubic", "compact"])
    parser.add_argument("--site-features", default="paper", help="a group of site features")
    parser.add_argument("--noise", action="store_true", help="measure small random shifts of sites instead")
    options = parser.parse_args()
    for name, structures in samples(options.n_matbench):
        structures = structures[: options.n_dielectric] if name == "dielectric" else structures
        for shape in options.shape:
            for max_atoms in options.max_atoms:
                if options.noise:
                    share, shift = measure_noise(structures, max_atoms, shape)
                    print(
                        f"{name} {shape} {max_atoms} atoms, sites moved by 1e-4: {share:.1%} get another supercell, "
                        f"the distances of the others move by {shift:.1e} (median of the largest)",
                        flush=True,
                    )
                    continue
                change, spread = measure(structures, max_atoms, shape, options.site_features)
                for description, values in change.items():
                    changed = np.flatnonzero(values > TOLERANCE)
                    formulas = [f"{structures[k].composition.reduced_formula} {values[k]:.1e}" for k in changed[:8]]
                    print(
                        f"{name} {shape} {max_atoms} atoms, {description}: {len(changed)} of {len(values)} changed, "
                        f"largest {values.max():.1e} (predictions spread {spread:.2f}) {formulas}",
                        flush=True,
                    )
