"""Draw the images of docs/analysis.md: every display, for a small model of the bundled band gaps.

python docs/draw_images.py
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from mapie.regression import SplitConformalRegressor
from sklearn.model_selection import LearningCurveDisplay, ShuffleSplit, train_test_split

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.analysis import complexity, predict_intervals
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.displays import (
    AttentionHistogramDisplay,
    ElementErrorDisplay,
    ErrorDisplay,
    IntervalDisplay,
    LongRangeDisplay,
    NeighborDisplay,
    ParityDisplay,
    UncertaintyDisplay,
)

FOLDER = Path(__file__).parent / "images"
LEVELS = np.linspace(0.1, 0.9, 9)


def save(display, name):
    """Write the figure of a display."""
    display.figure_.savefig(FOLDER / f"{name}.png", dpi=80, metadata={"Software": None})


def main():
    """Train, predict, draw."""
    mpl.use("agg")
    FOLDER.mkdir(exist_ok=True)
    structures, band_gap = load_dielectric(return_X_y=True)
    X = SupercellFeaturizer(max_atoms=60).transform(structures)
    train, rest = train_test_split(np.arange(len(X)), test_size=0.5, random_state=0)
    calibration, test = train_test_split(rest, test_size=0.5, random_state=0)
    ensemble = SiteNetEnsemble(SiteNetRegressor(max_epochs=20), n_members=5, random_state=0, n_jobs=2)
    ensemble.fit(X[train], band_gap[train])
    model = ensemble.estimators_[0]

    save(ParityDisplay.from_estimator(ensemble, X[test], band_gap[test]), "parity")
    save(ErrorDisplay.from_estimator(ensemble, X[test], band_gap[test]), "error")
    save(ElementErrorDisplay.from_estimator(ensemble, X[rest], band_gap[rest]), "elements")
    save(UncertaintyDisplay.from_estimator(ensemble, X[rest], band_gap[rest]), "spread")
    conformal = SplitConformalRegressor(model, confidence_level=list(LEVELS))
    predicted, lower, upper = predict_intervals(conformal.conformalize(X[calibration], band_gap[calibration]), X[test])
    save(IntervalDisplay.from_predictions(band_gap[test], predicted, lower[:, -1], upper[:, -1]), "intervals")
    save(UncertaintyDisplay.from_intervals(band_gap[test], lower, upper, LEVELS), "calibration")
    save(AttentionHistogramDisplay.from_estimator(model, X), "histogram")
    measure = [complexity(structure).total for structure in structures]
    save(LongRangeDisplay.from_estimator(model, X, measure), "long_range")
    perovskite = next(k for k, structure in enumerate(structures) if structure.formula == "Ba1 Ti1 O3")
    save(NeighborDisplay.from_estimator(model, X, index=perovskite), "neighbours")
    curve = LearningCurveDisplay.from_estimator(
        SiteNetRegressor(max_epochs=20, random_state=0),
        X,
        band_gap,
        train_sizes=[100, 200, 400, 800],
        cv=ShuffleSplit(2, test_size=200, random_state=0),
        scoring="neg_mean_absolute_error",
        negate_score=True,
        score_name="mean absolute error (eV)",
        score_type="test",
    )
    curve.ax_.set(xscale="log", yscale="log", xlabel="training crystals")
    save(curve, "learning_curve")


if __name__ == "__main__":
    main()
