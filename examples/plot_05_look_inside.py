"""
Look inside the network
=======================

A fitted Site-Net gives more than a number: a vector for every crystal, a vector for every site, and the attention that
every site pays to every other.
"""

# %%
# Train a small model for a few seconds.
import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric

structures, band_gap = load_dielectric(return_X_y=True)
structures, band_gap = structures[:200], band_gap[:200]
crystals = SupercellFeaturizer(max_atoms=50).fit_transform(structures)
model = SiteNetRegressor(max_epochs=10, random_state=0).fit(crystals, band_gap)

# %%
# Project the global vectors of the crystals onto their first two principal components. Crystals with similar gaps lie
# close together.
plane = PCA(n_components=2).fit_transform(model.transform(crystals))
figure, ax = plt.subplots(layout="constrained")
points = ax.scatter(*plane.T, c=band_gap, cmap="viridis")
figure.colorbar(points, label="band gap (eV)")
ax.set(xlabel="first principal component", ylabel="second principal component")

# %%
# Plot attention against distance for one crystal. Dividing by the count gives the weight of a single neighbour, so that
# shells can be compared.
k = 5
attention = model.attention(crystals[k : k + 1])[0]
figure, axes = plt.subplots(1, 2, sharey=True, layout="constrained", figsize=(8, 3.5))
for block, ax in enumerate(axes):
    for head in range(attention.weights.shape[2]):
        single = attention.weights[:, block, head] / attention.count
        ax.plot(attention.distance, single, ".", label=f"head {head + 1}")
    ax.set(title=f"block {block + 1}", xlabel="distance (angstrom)")
axes[0].set(ylabel="attention to one neighbour", yscale="log")
axes[0].legend()

# %%
# For every block and head, the attention of a site sums to 1 over its neighbours.
first_site = crystals[k].pair_site == 0
sums = attention.weights[first_site].sum(axis=0)
