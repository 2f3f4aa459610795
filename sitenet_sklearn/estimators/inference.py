"""What a fitted network says about crystals: outputs, representations and attention."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn._validation import name_difference, wants_pandas
from sitenet_sklearn.network.batch import SiteBudgetSampler, collate
from sitenet_sklearn.network.threads import threads_for_tiles
from sitenet_sklearn.training.memory import in_parts

from .selection import check_crystals

PAPER_BATCH_SIZE = 1200


class CrystalAttention(NamedTuple):
    """Attention inside one crystal: p pairs of sites i and j, each for several equal neighbours and sites.

    Attributes
    ----------
    atomic_numbers : ndarray of int, shape (p, 2)
        Elements of i and j.
    distance : ndarray of shape (p,)
        Distance d_ij in angstrom; 0 where j is i itself.
    count : ndarray of int, shape (p,)
        Number of equal neighbours j of one site i.
    multiplicity : ndarray of int, shape (p,)
        Number of equal primitive sites i.
    weights : ndarray of shape (p, n_blocks, n_heads)
        Attention a_ijh of one site i to all its `count` equal neighbours together: over the pairs of a site it sums
        to 1.
    """

    atomic_numbers: np.ndarray
    distance: np.ndarray
    count: np.ndarray  # type: ignore[assignment]
    multiplicity: np.ndarray
    weights: np.ndarray


class NetworkInference(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Methods of every estimator with a fitted network in `net_`."""

    def predict_raw(self, X) -> np.ndarray:
        """Predict without the clamp: below 0 means further from a gap than a prediction of 0.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        ndarray of shape (n,) or (n, k)
            Predictions in the unit of the training targets; NaN for masked crystals.
        """
        check_is_fitted(self)
        n_targets = self.net_.module_.n_targets
        raw = self._fill(X, n_targets or 1, lambda network, batch: network.raw(batch).reshape(len(batch), -1))
        return raw[:, 0] if n_targets is None else raw

    def transform(self, X) -> Any:
        """Compute the global vector of every crystal, the input of the last Linear.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        ndarray or pandas.DataFrame of shape (n, g)
            As wide as the last layer after pooling; NaN for masked crystals. A DataFrame after
            ``set_output(transform="pandas")``, with the labels of the crystals.
        """
        check_is_fitted(self)
        vectors = self._fill(X, self._n_features_out, lambda network, batch: network.global_vector(batch))
        if X.index is not None and wants_pandas(self):  # scikit-learn takes labels from data frames only
            return pd.DataFrame(vectors, X.index, self.get_feature_names_out())
        return vectors

    def site_representation(self, X) -> list[np.ndarray]:
        """Compute the vector of every primitive site, the outputs of all blocks side by side.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        list of ndarray of shape (k, n_blocks * n_heads * site_dim)
            One array for every crystal, with a row for each of its k primitive sites, equal sites next to each other
            in the order of ``X[i].atomic_numbers``; without rows for masked crystals.
        """
        check_is_fitted(self)
        check_crystals(X, self, may_be_empty=True)
        found = [np.zeros((0, self._site_width()), np.float32)] * len(X)

        def representations(network, batch):
            sites = network.site_representation(batch)
            return sites.repeat_interleave(batch.multiplicity.long(), 0), _sizes(batch, batch.multiplicity)

        rows = iter(np.flatnonzero(X.valid))
        for sites, sizes in self._run(X, representations):
            for part in sites.split(sizes):
                found[next(rows)] = part.numpy()
        return found

    def attention(self, X) -> list[CrystalAttention]:
        """Look at the attention weights of every block and head.

        Parameters
        ----------
        X : RaggedCrystals
            n crystals.

        Returns
        -------
        list of CrystalAttention
            One for every crystal; without pairs for masked crystals.
        """
        weights: list[np.ndarray] = []

        def attention(network, batch):
            return torch.stack(network.attention(batch), 1), _sizes(
                batch, batch.multiplicity.new_tensor(batch.row_sizes)
            )

        for values, sizes in self._run(X, attention):
            weights.extend(part.numpy() for part in values.split(sizes))
        ordered, network = iter(weights), self.net_.module_
        nothing = np.zeros((0, len(network.blocks), network.n_heads), np.float32)
        return [
            _attention_of(crystal, next(ordered) if valid else nothing)
            for crystal, valid in zip(X, X.valid, strict=True)
        ]

    @property
    def _n_features_out(self):
        return self.net_.module_.output.in_features

    def _site_width(self):
        return sum(block.site_layer.linear[-1].out_features for block in self.net_.module_.blocks)

    def _fill(self, X, width, function):
        """Rows of a function of network and batch for all crystals, NaN for masked ones."""
        parts = list(self._run(X, function))
        result = np.full((len(X), width), np.nan, np.float32)
        if parts:
            result[X.valid] = torch.cat(parts).numpy()
        return result

    def _run(self, X, function):
        """Yield results of a function of network and batch, on the CPU, for the unmasked crystals in turn."""
        check_is_fitted(self)
        check_crystals(X, self, may_be_empty=True)
        for name in ("site_feature_names", "interaction_feature_names"):
            if getattr(X, name) != getattr(self, f"{name}_in_"):
                difference = name_difference(getattr(X, name), getattr(self, f"{name}_in_"))
                raise ValueError(f"X has other {name} than {type(self).__name__} was fitted on: {difference}")
        network, device = self.net_.module_.eval(), self.net_.device

        def compute(batch):
            with torch.inference_mode(), threads_for_tiles():
                result = function(network, batch.to(device))
            return (result[0].cpu(), result[1]) if isinstance(result, tuple) else result.cpu()

        for batch in batches(X[X.valid]):
            yield from in_parts(compute, batch)


def batches(X):
    """Yield the crystals of a container in batches of the paper's size."""
    return (collate(X[rows]) for rows in SiteBudgetSampler(X.primitive_sizes, PAPER_BATCH_SIZE))


def _sizes(batch, of_sites):
    """Sum a number of every site over the crystals of a batch, as a list of int."""
    zeros = of_sites.new_zeros(len(batch))
    return [int(size) for size in zeros.index_add(0, batch.site_crystal, of_sites)]


def _attention_of(crystal, weights):
    numbers, i = crystal.atomic_numbers, crystal.pair_site
    elements = np.stack([numbers[i], numbers[crystal.pair_neighbor]], 1)
    return CrystalAttention(elements, crystal.pair_distance, crystal.pair_count, crystal.multiplicity[i], weights)
