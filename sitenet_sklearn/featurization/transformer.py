"""What scikit-learn asks of a transformer from crystals to crystals, which are no table of numbers."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class CrystalTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of transformers that learn nothing, take crystals in any form and return `RaggedCrystals`."""

    def get_feature_names_out(self, input_features=None):  # noqa: ARG002
        """Name the only column that the estimators after this transformer see: crystals.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored.

        Returns
        -------
        ndarray of str
        """
        return np.array(["crystal"], dtype=object)

    def set_output(self, *, transform=None):  # noqa: ARG002
        """Do nothing: crystals fit into no data frame, and a pipeline that asks for one must not fail.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        SupercellFeaturizer
            The estimator itself.
        """
        return self

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags
