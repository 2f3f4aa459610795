import matplotlib as mpl
import pytest

mpl.use("agg")

from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.displays.loss_curves import LossCurveDisplay


@pytest.mark.parametrize(("held_out", "labels"), [(False, ["training"]), (True, ["training", "held out"])])
def test_loss_curves_show_what_there_is(featurized, band_gaps, held_out, labels):
    model = SiteNetRegressor(max_epochs=3, site_dim=4, attention_hidden_layers=(5,), early_stopping=held_out)
    display = LossCurveDisplay.from_estimator(make_pipeline("passthrough", model).fit(featurized, band_gaps))
    assert [line.get_label() for line in display.ax_.lines] == labels
    assert list(display.ax_.lines[0].get_xdata()) == [1, 2, 3]
    assert list(display.ax_.lines[0].get_ydata()) == model.loss_curve_
