import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

from matplotlib import pyplot as plt
from sklearn.model_selection import LearningCurveDisplay
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetEnsemble, SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.analysis.attention import attention_histogram, long_range_coefficients
from sitenet_sklearn.displays.attention import AttentionHistogramDisplay, LongRangeDisplay, NeighborDisplay
from sitenet_sklearn.displays.predictions import ElementErrorDisplay, ErrorDisplay, ParityDisplay, UncertaintyDisplay


@pytest.fixture(scope="module")
def ensemble(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=1, site_dim=4, attention_hidden_layers=(5,))
    return SiteNetEnsemble(model, n_members=2, random_state=0).fit(featurized, band_gaps)


@pytest.mark.parametrize("display", [ParityDisplay, ErrorDisplay, ElementErrorDisplay, UncertaintyDisplay])
def test_displays_of_predictions_draw_where_they_are_told(ensemble, featurized, band_gaps, display):
    drawn = display.from_estimator(ensemble, featurized, band_gaps)
    assert drawn.figure_ is drawn.ax_.figure
    figure, ax = plt.subplots()
    again = drawn.plot(ax=ax)
    assert again is drawn
    assert drawn.ax_ is ax
    assert drawn.figure_ is figure
    figure.canvas.draw()


def test_parity_counts_zero_gaps_and_what_is_not_predicted():
    display = ParityDisplay.from_predictions([0, 0, 0, 1, 2, 3], [0, 0, 0.5, 0, 2, np.nan])
    (text,) = [text.get_text() for text in display.ax_.texts]
    assert text == "true 0, predicted 0: 2\ntrue 0, predicted more: 1\ntrue more, predicted 0: 1"
    assert display.ax_.get_title() == "MAE 0.300 eV, 5 crystals, 1 not predicted"
    other = ParityDisplay.from_predictions([-1, 2], [-1, 2], quantity="formation energy", unit="eV/atom")
    assert other.ax_.get_ylabel() == "predicted formation energy (eV/atom)"
    assert not other.ax_.texts


def test_errors_are_averaged_in_bins():
    display = ErrorDisplay.from_predictions([0, 1, 9, 10], [1, 1, 9, 7], n_bins=2)
    (stairs,) = [patch for patch in display.ax_.patches if hasattr(patch, "get_data")]
    np.testing.assert_allclose(stairs.get_data().values, [0.5, 1.5])


def test_errors_by_element_are_means_over_crystals(structures, featurized, band_gaps):
    predicted = band_gaps + np.arange(40) / 10
    predicted[3] = np.nan
    display = ElementErrorDisplay.from_predictions(structures, band_gaps, predicted)
    rows = [k for k in range(40) if k != 3 and "O" in structures[k].composition]
    assert display.counts["O"] == len(rows)
    assert display.errors["O"] == pytest.approx(np.mean(rows) / 10)
    from_container = ElementErrorDisplay.from_predictions(featurized, band_gaps, predicted)
    assert from_container.errors == pytest.approx(display.errors)


@pytest.mark.parametrize(("factor", "below"), [(0.5, True), (2.0, False)])
def test_spreads_too_small_or_too_large_are_seen(rng, factor, below):
    mean, std = np.zeros(500), rng.uniform(0.1, 1, 500)
    display = UncertaintyDisplay.from_predictions(rng.normal(mean, std), mean, factor * std)
    assert ((display.observed < display.expected) == below).all()


def test_displays_of_attention(ensemble, featurized):
    model = ensemble.estimators_[0]
    display = AttentionHistogramDisplay.from_estimator(model, featurized, bins=(8, 6))
    expected = attention_histogram(model, featurized, bins=(8, 6))
    np.testing.assert_array_equal(display.histogram.counts, expected.counts)
    assert display.axes_.shape == (2, 3)
    assert display.axes_[1, 0].get_xlabel() == "distance (Å)"
    measure = featurized.primitive_sizes.astype(float)
    trend = LongRangeDisplay.from_estimator(model, featurized, measure, measure_name="primitive sites")
    coefficient = long_range_coefficients(model, featurized)[:, 1].sum(axis=1)
    np.testing.assert_array_equal(trend.coefficient, coefficient)
    assert -1 <= trend.rank_correlation_ <= 1
    assert trend.ax_.get_xlabel() == "primitive sites"
    first = LongRangeDisplay.from_estimator(model, featurized, measure, block=1)
    np.testing.assert_array_equal(first.coefficient, long_range_coefficients(model, featurized)[:, 0].sum(axis=1))
    for block in (0, 3):
        with pytest.raises(ValueError, match=f"block must be one of 1 to 2, got {block}"):
            LongRangeDisplay.from_estimator(model, featurized, measure, block=block)
    _, ax = plt.subplots()
    assert LongRangeDisplay(measure, 2 * measure).plot(ax=ax).rank_correlation_ == pytest.approx(1)


def test_the_neighbours_of_a_site_are_drawn_once_each(ensemble, featurized):
    model, index = ensemble.estimators_[0], int(np.argmax([len(crystal.multiplicity) for crystal in featurized]))
    display = NeighborDisplay.from_estimator(model, featurized, index=index, site=1)
    record, crystal = model.attention(featurized[[index]])[0], featurized[index]
    of_site = crystal.pair_site == 1
    assert display.axes_.shape == (2, 3)
    drawn = [np.asarray(points.get_offsets()) for points in display.axes_[1, 2].collections]
    expected = np.column_stack([record.distance, record.weights[:, 1, 2] / record.count])[of_site]
    found = np.concatenate(drawn)
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], rtol=1e-6)
    (line,) = display.axes_[0, 0].lines
    assert line.get_ydata()[0] == pytest.approx(1 / featurized[index].pair_count[of_site].sum())
    display.figure_.canvas.draw()


def test_a_site_that_is_not_there_is_named(ensemble, featurized):
    with pytest.raises(IndexError, match=r"crystal 3 has sites 0 to \d+, got 99"):
        NeighborDisplay.from_estimator(ensemble.estimators_[0], featurized, index=3, site=99)


def test_a_learning_curve_takes_the_whole_pipeline(structures, band_gaps):
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), SiteNetRegressor(max_epochs=1, random_state=0))
    display = LearningCurveDisplay.from_estimator(
        pipeline, structures, band_gaps, train_sizes=[10, 20], cv=2, scoring="neg_mean_absolute_error"
    )
    assert display.train_sizes.tolist() == [10, 20]
    assert np.isfinite(display.test_scores).all()


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("display", [ParityDisplay, ErrorDisplay])
def test_values_that_are_all_equal_are_drawn(display, value):
    drawn = display.from_predictions(np.full(3, value), np.full(3, value))
    drawn.figure_.canvas.draw()
    (low, high), (bottom, top) = drawn.ax_.get_xlim(), drawn.ax_.get_ylim()
    assert low <= value <= high
    assert low < high
    assert bottom < top
