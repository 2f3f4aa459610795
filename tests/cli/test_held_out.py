import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from sitenet_sklearn import CalibratedRegressor, SiteNetEnsemble, SiteNetRegressor
from sitenet_sklearn.cli.held_out import with_answers

PLAIN = Pipeline([("featurizer", "passthrough"), ("sitenet", SiteNetRegressor())])
ASKED = {"held_out": None, "members": 1, "classify": False, "seed": 0}


@pytest.mark.parametrize(
    ("y", "options", "expected"),
    [
        (np.zeros(200), {}, CalibratedRegressor),
        (np.zeros(200), {"held_out": 0.0}, SiteNetRegressor),
        (np.zeros(200), {"held_out": 0.0, "members": 3}, SiteNetEnsemble),
        (np.zeros((200, 2)), {}, SiteNetRegressor),
        (np.array([np.nan, *np.zeros(199)]), {}, SiteNetRegressor),
        (np.array(["a", "b"] * 100), {"classify": True}, SiteNetRegressor),
        (np.zeros(30), {}, SiteNetRegressor),
    ],
)
def test_what_can_be_calibrated_is(y, options, expected):
    assert type(with_answers(PLAIN, y, **ASKED | options)[-1]) is expected
    assert type(PLAIN[-1]) is SiteNetRegressor


def test_members_are_inside_the_calibration():
    model = with_answers(PLAIN, np.zeros(100), **ASKED | {"members": 4, "held_out": 0.25})[-1]
    assert (model.calibration_fraction, model.estimator.n_members) == (0.25, 4)
