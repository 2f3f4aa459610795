import numpy as np
import pytest
from skorch.callbacks import EpochTimer

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.training.callbacks import check_callbacks, learning_rate_share


def test_learning_rate_rises_then_falls():
    shares = [learning_rate_share(step, 200) for step in range(201)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(0)
    assert np.argmax(shares) == 20
    assert max(shares) == 1


def test_progress_is_shown_only_when_asked(featurized, band_gaps, capsys):
    SiteNetRegressor(max_epochs=1, random_state=0).fit(featurized[:20], band_gaps[:20])
    assert capsys.readouterr() == ("", "")
    model = SiteNetRegressor(max_epochs=1, random_state=0, early_stopping=True, verbose=1)
    model.fit(featurized[:20], band_gaps[:20])
    shown = capsys.readouterr().err
    assert "train_loss=" in shown
    assert "valid_loss=" in shown


def test_callbacks_are_those_of_skorch(featurized, band_gaps):
    for good in (None, [], [EpochTimer()], [("timer", EpochTimer()), EpochTimer]):
        check_callbacks(good)
    for wrong in ("x", ("name", 3), ("name", EpochTimer(), 3), None, int):
        with pytest.raises(TypeError, match=r"callbacks must hold callbacks of skorch.* got .* at index 1"):
            SiteNetRegressor(callbacks=[EpochTimer(), wrong]).fit(featurized, band_gaps)
