import matplotlib as mpl
import numpy as np
import pytest
from mapie.regression import SplitConformalRegressor

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.analysis.intervals import predict_intervals
from sitenet_sklearn.displays.intervals import IntervalDisplay
from sitenet_sklearn.displays.predictions import UncertaintyDisplay

mpl.use("agg")

LEVELS = [0.5, 0.9]


@pytest.fixture(scope="module")
def conformal(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=2, random_state=0).fit(featurized[:10], band_gaps[:10])
    return SplitConformalRegressor(model, confidence_level=LEVELS).conformalize(featurized[10:40], band_gaps[10:40])


def test_intervals_end_at_the_lowest_value(conformal, featurized):
    free, clipped = (predict_intervals(conformal, featurized, lowest=lowest) for lowest in (None, 0.0))
    assert (free.lower < 0).any()
    np.testing.assert_array_equal(clipped.lower, np.maximum(free.lower, 0))
    np.testing.assert_array_equal(clipped.upper, free.upper)
    np.testing.assert_array_equal(clipped.predicted, conformal.predict(featurized))


def test_calibration_holds_what_it_promises_on_its_own_crystals(conformal, featurized, band_gaps):
    intervals = predict_intervals(conformal, featurized[10:40])
    display = UncertaintyDisplay.from_intervals(band_gaps[10:40], *intervals[1:], LEVELS)
    assert display.expected.tolist() == LEVELS
    assert (display.observed >= display.expected).all()
    assert (display.observed <= display.expected + 2 / 30).all()


def test_the_display_counts_what_lies_inside(conformal, featurized, band_gaps):
    display = IntervalDisplay.from_estimator(conformal, featurized, band_gaps, level=1)
    lower, upper = (ends[:, 1] for ends in predict_intervals(conformal, featurized)[1:])
    assert display.coverage_ == np.mean((lower <= band_gaps) & (band_gaps <= upper))
    assert display.ax_.get_ylabel() == "band gap (eV)"
    again = IntervalDisplay.from_predictions(
        [1.0, 9.0, 2.0], [1.0, 2.0, np.nan], [0.5, 1.5, np.nan], [1.5, 2.5, np.nan]
    )
    assert again.coverage_ == 0.5
    assert again.ax_.get_title() == "50% of 2 crystals lie in their interval"
    again.figure_.canvas.draw()
