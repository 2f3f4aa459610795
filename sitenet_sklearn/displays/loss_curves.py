"""How training went, as a figure."""

from sitenet_sklearn._pipelines import last_step

from .base import Display


class LossCurveDisplay(Display):
    """Losses against epochs.

    Parameters
    ----------
    train : sequence of float
        Training loss of every epoch.
    held_out : sequence of float, default=()
        Loss of the crystals held out; empty where none were.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sitenet_sklearn.displays import LossCurveDisplay
    >>> LossCurveDisplay([1.0, 0.5], [1.1, 0.8]).plot().ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, train, held_out=()):
        self.train, self.held_out = train, held_out

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Plot the losses of a fitted estimator.

        Parameters
        ----------
        estimator : SiteNetRegressor, SiteNetClassifier or Pipeline
            Fitted; of a pipeline its last step.
        ax : matplotlib Axes, default=None
            Where to plot; None makes a figure.

        Returns
        -------
        LossCurveDisplay
        """
        network = last_step(estimator)
        return cls(network.loss_curve_, network.validation_loss_curve_).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw; `ax` as in `from_estimator`. Returns the display itself."""
        ax = self._axes(ax)
        for values, label in ((self.train, "training"), (self.held_out, "held out")):
            if len(values):
                ax.plot(range(1, len(values) + 1), values, label=label)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend()
        return self
