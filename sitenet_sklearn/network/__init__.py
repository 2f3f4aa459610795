"""The network: Site-Net as a torch module.

torch only; no pymatgen, no scikit-learn. A batch passes through the files in this order:

- `batch`: crystals joined into one flat graph of sites and pairs;
- `sitenet`: the whole network, from a batch to one number a crystal;
- `attention`: one attention block;
- `tiles`: the pairs of a block cut into tiles that stay in cache;
- `kernels`: what is computed of a tile, with its derivatives written out;
- `pooling`: the sites of a crystal become one vector;
- `layers` and `segments`: activations, normalisations, perceptrons; sums and softmax over segments;
- `weights_file`: the file of a trained network.
"""

from .batch import CrystalBatch, collate
from .sitenet import SiteNet

__all__ = [
    "CrystalBatch",
    "SiteNet",
    "collate",
]
