"""What users and enemies hand in: random crystals, damaged files, stores and models, and any arguments.

Every `try_...` makes one case out of random numbers and returns whether it ended in a result or was refused as
documented; whatever else happens is raised.
"""

import contextlib
import copy
import hashlib
import io
import json
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from pymatgen.core import IStructure, Lattice, Structure
from random_crystals import random_structure
from safetensors.torch import load, save
from sklearn.pipeline import Pipeline, make_pipeline

from sitenet_sklearn import RaggedCrystals, SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.crystals.stored_crystals import check_values
from sitenet_sklearn.datasets import load_dielectric
from sitenet_sklearn.exceptions import FeaturizationError, StoreError
from sitenet_sklearn.network.weights_file import checksum

GOOD = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
ODD_VALUES = (
    *(0, -1, 1, 2, 7, 101, 2**31, 10**12, 10**30, 0.5, 1e308, float("nan"), float("inf"), True, None),
    *("", "x", "a" * 10_000, "../../etc/passwd", "os.system", "SiteNetEnsemble", "Pipeline", "Number"),
    *([], {}, [None], [1] * 5000, ["Number"] * 9, {"@module": "os", "@class": "system"}, {"class": "Pipeline"}),
)


class Material(NamedTuple):
    """What the cases are made of: a folder to write into, crystals, a fitted pipeline and its file, a store."""

    folder: Path
    structures: list
    pipeline: Pipeline
    model: bytes
    store: Path
    crystals: RaggedCrystals


def make_material(folder):
    """Train a tiny network and save it."""
    structures, y = load_dielectric(return_X_y=True)
    structures, y = structures[::50][:20], y[::50][:20]
    network = SiteNetRegressor(max_epochs=1, site_dim=3, attention_hidden_layers=(4,), random_state=0, device="cpu")
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=20), network).fit(structures, y)
    crystals = pipeline[0].transform(structures)
    save_model(pipeline, folder / "model.safetensors")
    crystals.save(folder / "store")
    structures[0].to(filename=str(folder / "good.cif"))
    model = (folder / "model.safetensors").read_bytes()
    return Material(folder, structures, pipeline, model, folder / "store", crystals)


def featurize_beside_a_good_one(rng, material, item):
    """Featurize, together with a crystal that must not suffer, and predict."""
    featurizer = SupercellFeaturizer(
        max_atoms=int(rng.choice([1, 20, 60])),
        shape=str(rng.choice(["cubic", "compact"])),
        compress=bool(rng.integers(2)),
        oxidation_states=str(rng.choice(["given", "guess"])),
        symprec=float(rng.choice([0.01, 0.5, 1e-5])),
        on_error="mask",
    )
    X, failures = featurizer.transform_with_failures([item, GOOD])
    assert X.valid[1], "the good crystal beside it was lost"
    for failure in failures:
        assert failure.reason, "there is no reason"
        assert not failure.reason.startswith("unexpected"), failure.reason
    check_values("X", X.stored()[0])
    assert (np.isfinite(material.pipeline[-1].predict(X)) == X.valid).all(), "a prediction is not finite"
    finer = featurizer.set_params(site_features="all").transform_with_failures([item, GOOD])[0]
    check_values("X of all site features", finer.stored()[0])
    assert finer.valid[1], "the good crystal beside it was lost"
    return "refused" if failures else "result"


def try_structure(rng, material):
    """Try a random structure, as an object or a dict."""
    try:
        structure = random_structure(rng)
        forms = [structure, IStructure.from_sites(structure), structure.as_dict()]
    except (ArithmeticError, ValueError):  # pymatgen refuses it already
        return "refused"
    return featurize_beside_a_good_one(rng, material, forms[rng.integers(len(forms))])


def _flip(rng, data, _):
    for k in rng.integers(0, len(data), rng.integers(1, 20)):
        data[k] ^= 1 << int(rng.integers(8))
    return data


def _insert(rng, data, part):
    words = [b"\x00", b"\xff" * 9, b"1e400 ", b"-", b"nan ", b"'", b"99999999999 ", b"\n\n", b"[" * 9]
    return data[: part.start] + words[rng.integers(len(words))] + data[part.start :]


def _shuffle_lines(rng, data, _):
    lines = bytes(data).split(b"\n")
    return b"\n".join(lines[k] for k in rng.permutation(len(lines)))


def _change_digits(rng, data, _):
    digits = [k for k, byte in enumerate(data) if chr(byte).isdigit()] or [0]
    for k in rng.choice(digits, min(len(digits), rng.integers(1, 30))):
        data[k : k + 1] = (b"9", b"0", b"-", b".", b"e", b"999")[rng.integers(6)]
    return data


DAMAGES = (
    _flip,
    _insert,
    _shuffle_lines,
    _change_digits,
    lambda _, data, part: data[: part.stop],
    lambda _, data, part: data[: part.start] + data[part.stop :],
    lambda rng, data, part: data[: part.stop] + data[part] * int(rng.integers(1, 20)) + data[part.stop :],
)


def damage(rng, content):
    """Flip, cut, repeat, exchange or replace bytes of a file."""
    part = slice(*sorted(rng.integers(0, len(content) + 1, 2).tolist()))
    return bytes(DAMAGES[rng.integers(len(DAMAGES))](rng, bytearray(content), part))


def try_file(rng, material):
    """Try a damaged CIF, POSCAR or JSON file."""
    structure = material.structures[rng.integers(len(material.structures))]
    fmt, name = (("cif", "bad.cif"), ("poscar", "POSCAR.bad"), ("json", "bad.json"))[rng.integers(3)]
    path = material.folder / name
    path.write_bytes(damage(rng, structure.to(fmt=fmt).encode()))
    return featurize_beside_a_good_one(rng, material, path)


def _nodes(tree):
    """List all places of a tree of JSON, as (container, key)."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _nodes(tree[key])


def _nest(rng, value):
    for _ in range(int(rng.choice([10, 80]))):
        value = [value] if rng.integers(2) else {"class": "Pipeline", "steps": [["a", value]]}
    return value


def _edit_tree(rng, tree):
    """Replace, remove or repeat something somewhere in a tree of JSON."""
    nodes = list(_nodes(tree))
    node, key = nodes[rng.integers(len(nodes))]
    kind = rng.integers(8)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.extend([node[key]] * int(rng.choice([1, 100])))
    elif kind == 2:
        node[key] = _nest(rng, node[key])
    elif kind == 3:
        other, name = nodes[rng.integers(len(nodes))]
        node[key] = copy.deepcopy(other[name])
    else:
        node[key] = copy.deepcopy(ODD_VALUES[rng.integers(len(ODD_VALUES))])


def _edit_tensors(rng, tensors):
    name = sorted(tensors)[rng.integers(len(tensors))]
    values, kind = tensors[name], rng.integers(6)
    changed = (
        lambda: values * float("nan"),
        lambda: values.reshape(-1)[:1],
        lambda: values.to([torch.float64, torch.bfloat16, torch.int64, torch.bool][rng.integers(4)]),
        lambda: values * 1e30,
        lambda: torch.zeros(0),
    )
    if kind == 5:
        del tensors[name]
    else:
        tensors[name] = changed[kind]().contiguous()


def honest_model(rng, content):
    """Edit header and tensors of a model file, and give it a checksum that fits."""
    length = int.from_bytes(content[:8], "little")
    text = json.loads(content[8 : 8 + length])["__metadata__"]["sitenet_sklearn"]
    header, tensors = json.loads(text), load(content)
    for _ in range(rng.integers(1, 4)):
        if rng.integers(4):
            _edit_tree(rng, header)
        else:
            _edit_tensors(rng, tensors)
    text = json.dumps(header)
    digest = ""
    with contextlib.suppress(TypeError):  # bfloat16 has none
        digest = checksum(text, tensors)
    return save(tensors, {"sitenet_sklearn": text, "checksum": digest})


def try_model(rng, material):
    """Try a damaged model file, or one that says what cannot be."""
    path = material.folder / "fuzzed.safetensors"
    honest = bool(rng.integers(2))
    content = honest_model(rng, material.model) if honest else damage(rng, material.model)
    path.write_bytes(content)
    try:
        model = load_model(path, device="cpu")
    except ValueError:
        return "refused"
    assert honest or content == material.model, "damage was not noticed"
    X = material.structures[:3] if isinstance(model, Pipeline) else material.crystals[:3]
    with contextlib.suppress(ValueError, TypeError, FeaturizationError):
        model.predict(X)
    return "result"


def _edit_store(rng, folder):
    """Damage one file of a store, or what its index says; tell whether the index still fits."""
    files = sorted(folder.iterdir())
    file, other = (files[k] for k in rng.choice(len(files), 2, replace=False))
    edits = [
        lambda: file.write_bytes(damage(rng, file.read_bytes())),
        file.unlink,
        lambda: shutil.copyfile(file, other),
        lambda: (file.unlink(), file.symlink_to(other)),
        lambda: (file.unlink(), file.mkdir()),
        lambda: file.write_bytes(b"[" * 100_000),
        lambda: np.save(file.open("wb"), np.array([{}], dtype=object)),
        lambda: np.savez(file.open("wb"), x=np.zeros(3)),
        partial(_edit_index, rng, folder, keep=False),
        partial(_edit_array, rng, folder),
    ]
    edits[rng.integers(len(edits))]()


def _edit_index(rng, folder, *, keep):
    index = json.loads((folder / "index.json").read_text())
    if not keep:
        _edit_tree(rng, index)
    index["sha256"] = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.npy")}
    (folder / "index.json").write_text(json.dumps(index))


def _edit_array(rng, folder):
    """Put other numbers into an array, with a checksum that fits."""
    file = sorted(folder.glob("*.npy"))[rng.integers(9)]
    array = np.load(file)
    rows, odd = rng.integers(0, len(array), 3), [0, -1, 1, 119, 2**31 - 1, np.nan, np.inf, 1e30]
    with np.errstate(all="ignore"):
        array[rows] = np.array(odd)[rng.integers(len(odd), size=1)].astype(array.dtype)
    changed = [array, array[:-1], array.astype(float), array[:, None], array[::-1].copy(), np.resize(array, 7)]
    np.save(file, changed[rng.integers(len(changed))])
    _edit_index(rng, folder, keep=True)


def try_store(rng, material):
    """Try a damaged folder of crystals, or one that holds other numbers than crystals do."""
    folder = material.folder / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(material.store, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with np.errstate(all="ignore"):
        _edit_store(rng, folder)
    try:
        X = RaggedCrystals.open(folder)
    except StoreError:
        return "refused"
    if all(before[name] == (folder / name).read_bytes() for name in before if name == "index.json"):
        for name in X[0]._fields:
            assert np.array_equal(X.field(name), material.crystals.field(name)), "damage was not noticed"
    with contextlib.suppress(ValueError):
        assert len(material.pipeline[-1].predict(X)) == len(X)
    return "result"


def try_arguments(rng, material):
    """Try any words on the command line."""
    from sitenet_sklearn.cli import app as cli

    good = [str(material.folder / name) for name in ("model.safetensors", "good.cif")]
    words = [
        *("predict", "predict", "demo", "--help", "--output", "--max-atoms", "--max-epochs", "--seed", "--crystals"),
        *("0", "-1", "20", "1e9", "", " ", "--", "-", "\x00", "\udcff", "ä" * 300, "x" * 5000, "/", ".", "no.cif"),
        *(*good, *good, *good, str(material.folder / "bad.cif"), str(material.store), "--bogus=1", "*", "%s{}"),
    ]
    arguments = [words[k] for k in rng.integers(len(words), size=rng.integers(0, 7))]
    if rng.integers(3) == 0:
        arguments = ["predict", *good, *arguments]
    demo = mock.Mock(return_value=mock.Mock(errors={"Site-Net": 0.5}, files=[]))
    output = io.StringIO()
    with mock.patch.object(cli, "run_demo", demo, create=True), contextlib.redirect_stderr(output):
        try:
            with contextlib.redirect_stdout(output):
                cli.run(arguments)
        except SystemExit as ended:
            return "refused" if ended.code else "result"
    return "result"


KINDS = {
    "structures": try_structure,
    "files": try_file,
    "stores": try_store,
    "models": try_model,
    "arguments": try_arguments,
}


def run_case(kind, seed, material):
    """Make and run the case of a seed; the same seed makes the same case."""
    return KINDS[kind](np.random.default_rng([list(KINDS).index(kind), seed]), material)
