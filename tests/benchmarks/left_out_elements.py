"""How well intervals hold for crystals of an element that no training crystal has.

    OMP_NUM_THREADS=2 python tests/benchmarks/left_out_elements.py --elements F Cl Br O S Te Cs

Trains on the bundled band gaps without those of an element, holds out a fifth for the intervals and another fifth to
ask, and asks about the crystals with the element as well.
"""

import argparse

import numpy as np

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric


def rows_of(structures, element):
    """Rows to train on, others to ask about, and rows with the element."""
    has_it = np.array([element in structure.composition for structure in structures])
    others = np.random.RandomState(0).permutation(np.flatnonzero(~has_it))
    n_train = int(0.8 * len(others))
    return others[:n_train], others[n_train:], np.flatnonzero(has_it)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", nargs="+", default=["F", "Cl", "Br", "O", "S", "Te", "Cs"])
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--max-epochs", type=int, default=20)
    options = parser.parse_args()
    structures, y = load_dielectric(return_X_y=True)
    X = SupercellFeaturizer().fit_transform(structures)
    network = SiteNetRegressor(max_epochs=options.max_epochs, random_state=0)
    ensemble = SiteNetEnsemble(network, n_members=options.members, random_state=0)
    print("element  crystals  error (eV)  90 % interval holds  half width (eV)  mean novelty")
    for element in options.elements:
        train, usual, left_out = rows_of(structures, element)
        model = CalibratedRegressor(ensemble if options.members > 1 else network, calibration_fraction=0.2)
        model.set_params(random_state=0).fit(X[train], y[train])
        for name, rows in (("others", usual), (element, left_out)):
            table = model.predict_table(X[rows], 0.9)
            error, inside = (table["prediction"] - y[rows]).abs().mean(), table["lower"].le(y[rows])
            inside &= table["upper"].ge(y[rows])
            half_width = (table["upper"] - table["prediction"]).mean()
            row = f"{name:7s} {len(rows):9d} {error:11.2f} {inside.mean():20.1%} {half_width:16.2f}"
            print(f"{row} {table['novelty'].mean():13.0f}", flush=True)


if __name__ == "__main__":
    main()
