"""What the displays share, in the form of scikit-learn's."""


class Display:
    """What the displays of predictions share."""

    @classmethod
    def from_estimator(cls, estimator, X, y, **kwargs):
        """Predict and plot.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted.
        X : RaggedCrystals or list of crystals
            n crystals.
        y : array-like of shape (n,)
            Their targets.
        **kwargs
            Those of `from_predictions`.

        Returns
        -------
        display
        """
        return cls.from_predictions(y, estimator.predict(X), **kwargs)

    def _axes(self, ax, **size):
        """Use given axes, or make a figure, and remember both."""
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(layout="constrained", **size)
        self.ax_, self.figure_ = ax, ax.figure
        return ax
