import numpy as np
import pytest

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.training.callbacks import learning_rate_share


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
