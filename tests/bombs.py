"""Small files that state or hold too much: each must be refused within two seconds and 500 MiB.

`BOMBS` has, by name, a function that makes one in a folder and returns what opens it, and what the message must say.
The tests open each one; `python tests/benchmarks/soak.py bombs` measures each in a process of its own.
"""

import bz2
import gzip
import json
import lzma
import sqlite3
import zipfile
from contextlib import closing
from functools import partial

import numpy as np
import torch
from pymatgen.core import Lattice, Structure
from safetensors.torch import load, save

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer, load_model, save_model
from sitenet_sklearn.crystals.structures import as_structure
from sitenet_sklearn.network.weights_file import checksum
from sitenet_sklearn.tables import read_table
from sitenet_sklearn.training.checkpoint import TrainingCheckpoint

SECONDS = 2
MEBIBYTES = 500

POSCAR = "x\n1.0\n4 0 0\n0 4 0\n0 0 4\n"
CIF = (
    "data_x\n_cell_length_a 90\n_cell_length_b 90\n_cell_length_c 90\n"
    "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
)
COLUMNS = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
PLAIN = (
    "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\nloop_\n_atom_site_label\n_atom_site_type_symbol\n"
    "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
)
XYZ = 'Lattice="5 0 0 0 5 0 0 0 5" '
SITE = {"species": [{"element": "Fe", "occu": 1}], "abc": [0, 0, 0]}
ALIASES = "a: &a [1, 1]\nb: &b [*a, *a]\nlattice: *b\nsites: [*b]\n"


def operations(n):
    """Symmetry operations of a CIF file."""
    return "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'x+{k}/{n}, y, z'" for k in range(n)) + "\n"


def sites(n, between=" "):
    """Sites of a CIF file, all different."""
    rows = (between.join((f"Fe{k}", f"{k % 16 / 16}", f"{k // 16 % 16 / 16}", f"{k // 256 / 16}")) for k in range(n))
    return COLUMNS + "\n".join(rows) + "\n"


CRYSTALS = {
    "POSCAR of 5e8 sites": ("POSCAR", f"{POSCAR}Fe\n500000000\nDirect\n0 0 0\n", "states 500000000 sites, at most"),
    "POSCAR of VASP 4": ("POSCAR", f"{POSCAR}500000000\nDirect\n0 0 0\n", "states 500000000 sites"),
    "POSCAR of two species": ("POSCAR", f"{POSCAR}Fe Co\n900 101\nDirect\n0 0 0\n", "states 1001 sites"),
    "POSCAR of an odd number": ("POSCAR", f"{POSCAR}Fe\n+500_000_000 # x\nDirect\n0 0 0\n", "states 500000000 sites"),
    "POSCAR of many lines": ("POSCAR", f"{POSCAR}Fe\nFe\n900\n900\nDirect\n0 0 0\n", "states 1800 sites"),
    "CIF of operations": ("a.cif", CIF + operations(200) + sites(200), r"states 40000 sites, .* symmetry \(P1\)"),
    "CIF of a space group": ("a.cif", f"{CIF}_symmetry_space_group_name_H-M Fm-3m\n{sites(200)}", "states 38400 sites"),
    "CIF of broken lines": ("a.cif", CIF + operations(200) + sites(200, "\n"), "states 40000 sites"),
    "CIF of blocks": ("a.cif", "".join(f"data_{k}{CIF[6:]}{sites(1)}" for k in range(500)), "has 500 blocks of data"),
    "CIF of quotes": ("a.cif", CIF + sites(1) + "_x" + " 'y" * 10**5 + "\n", "too many quotation marks on long lines"),
    "CIF of one place": ("a.cif", f"{CIF}{PLAIN}" + "H H 0 0 0\n" * 10**5, "states 100000 sites"),
    "XYZ of 1e11 sites": ("a.xyz", f"99999999999\n{XYZ}pbc=T\nH 0 0 0\n", "states 99999999999 sites"),
    "XYZ of columns": (
        "a.xyz",
        f"1\n{XYZ}Properties=species:S:1:pos:R:3:x:R:300000000\nH 0 0 0\n",
        "states 300000004 numb",
    ),
    "XYZ of frames": ("a.xyz", f"1\n{XYZ}pbc=T\nH 0 0 0\n" * 10**4, "holds several structures"),
    "CIF of numbers": ("a.cif", CIF + sites(1) + "loop_\n_x\n" + "1 " * 2**22, "more than 4 MiB of text"),
    "JSON of sites": ("a.json", json.dumps({"lattice": {}, "sites": [SITE] * 10**4}), "has 10000 sites, at most 1000"),
    "JSON of lists": ("a.json", '{"sites": [' + "[]," * 10**7 + "[]]}", "more than 4 MiB of text"),
    "JSON of depth": ("a.json", "[" * 10**6, "RecursionError"),
    "YAML of sites": ("a.yaml", "sites: [" + "1," * 10**6 + "1]", "more than 0.125 MiB of text"),
    "YAML of aliases": ("a.yaml", ALIASES, r"repeats parts by aliases \(\*name\)"),
}
"""File, text and message."""


def write_text(name, text, folder):
    """Write a file of a crystal; return what opens it."""
    (folder / name).write_text(text)
    return partial(as_structure, folder / name)


def write_compressed(name, compress, folder):
    """Write a file of 100 MB that compresses well; return what opens it."""
    (folder / name).write_bytes(compress(b" " * 10**8))
    return partial(as_structure, folder / name)


def write_model(edit, folder):
    """Write a file of a model, with a checksum that fits, after an edit of header and tensors; return what opens it."""
    crystal = Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])
    X = SupercellFeaturizer(max_atoms=2).transform([crystal] * 4)
    network = SiteNetRegressor(max_epochs=1, site_dim=3, attention_hidden_layers=(4,), random_state=0, device="cpu")
    path = folder / "model.safetensors"
    save_model(network.fit(X, np.arange(4.0)), path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, tensors = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["sitenet_sklearn"]), load(content)
    text = edit(header, tensors) or json.dumps(header)
    path.write_bytes(save(tensors, {"sitenet_sklearn": text, "checksum": checksum(text, tensors)}))
    return partial(load_model, path, device="cpu")


def _layers(header, _):
    header["model"]["network"].update(n_blocks=100, attention_hidden_layers=[4] * 3000)


def _layers_and_tensors(header, tensors):
    _layers(header, tensors)
    header["model"]["network"].update(n_blocks=10, attention_hidden_layers=[4] * 1000)
    tensors |= {f"0/{k}": torch.zeros(0) for k in range(20_000)}


def _widths(header, _):
    header["model"]["network"].update(site_dim=10**6, attention_hidden_layers=[10**6] * 5)


def _nested(header, _):
    for _ in range(10):
        header["model"] = {"class": "Pipeline", "steps": [["a", header["model"]]]}


def _nested_without_end(*_):
    return '{"format": 2, "model": ' + '{"class": "Pipeline", "steps": [["a", ' * 50_000 + "0" + "]]}" * 50_000 + "}"


def _members(header, _):
    member = {"class": "SiteNetRegressor", "parameters": {}}
    ensemble = {"class": "SiteNetEnsemble", "parameters": {}, "estimator": None}
    header["model"] = ensemble | {"members": [member] * 10**5}


def _tensors(_, tensors):
    tensors |= {f"9/{k}": torch.zeros(0) for k in range(10_000)}


MODELS = {
    "model of layers": (_layers, "it states 300004 layers, at most 500"),
    "model of layers and tensors": (_layers_and_tensors, "it states 10004 layers, at most 500"),
    "model of widths": (_widths, "tensors do not fit the network"),
    "model in models": (_nested, "models are nested more than 5 deep"),
    "model in models without end": (_nested_without_end, "maximum recursion depth"),
    "model of members": (_members, "it holds more than 2000 models"),
    "model of no network": (_tensors, "10000 tensors belong to no network"),
}
"""Edit and message."""


def write_checkpoint(edit, folder):
    """Write a checkpoint of a training; return what opens it."""
    edit(folder / "sitenet-x.ckpt")
    return partial(TrainingCheckpoint, folder, "x", seed=0)


def _deflated(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", b"0" * 10**8)


def _overlapping(path):
    """Write an archive whose parts are all the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data/0", b"0" * 10**6)
        archive.filelist *= 10_000


CHECKPOINTS = {
    "checkpoint that is compressed": (_deflated, "it is compressed"),
    "checkpoint of overlapping parts": (_overlapping, "its parts overlap"),
}
"""Edit and message."""


TABLES = {
    "a.csv.gz": (b"file\n" + b"a" * 10**8, "a row has more than 16 MiB"),
    "b.csv.gz": (b'file,gap\na,"' + b"\n" * 10**8, "a row has more than 16 MiB"),
    "a.jsonl.gz": (b'{"file": "' + b"a" * 10**8, "a row has more than 16 MiB"),
    "wide.csv": (b"a," * 200_000, "more than 10000 columns"),
}
"""Content and message."""


def write_table(name, content, folder):
    """Write a table; return what opens it."""
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return partial(read_table, folder / name)


def write_zip(folder):
    """Write an archive of a thousand crystals of 4 MB that are all the same bytes; return what opens it."""
    text = b"".join(np.random.default_rng(0).choice([b"\n" * 80, b" " * 81], 50_000).tolist())  # shrinks 90-fold
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", text)
        archive.filelist *= 1000
    return partial(read_table, folder / "a.zip")


REST = "numbers BLOB, positions BLOB, cell BLOB, key_value_pairs TEXT, x"
COMPUTED = "zeroblob(900000000)"
DATABASES = {
    "column": (
        f"CREATE TABLE systems (id INTEGER PRIMARY KEY, pbc INTEGER AS ({COMPUTED}), {REST})",
        "its column 'pbc' is computed",
    ),
    "id": (f"CREATE TABLE systems (id TEXT AS ({COMPUTED}), pbc INTEGER, {REST})", "are not numbered by an id"),
}
"""Statement that makes a table whose rows are computed, and message."""


def write_database(statement, folder):
    """Write an SQLite file of three rows; return what opens it."""
    with closing(sqlite3.connect(folder / "a.db")) as connection, connection:
        connection.execute(statement)
        connection.executemany("INSERT INTO systems (x) VALUES (?)", [(k,) for k in range(3)])
    return partial(read_table, folder / "a.db")


def ask_for_millions(_):
    """Return what asks for a supercell of ten million atoms."""
    return partial(SupercellFeaturizer(max_atoms=10**7).fit, [Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])])


BOMBS = (
    {name: (partial(write_text, file, text), message) for name, (file, text, message) in CRYSTALS.items()}
    | {
        f"{name}.{suffix}": (partial(write_compressed, f"{name}.{suffix}", compress), "MiB of text")
        for name in ("POSCAR", "a.cif", "a.json", "a.yaml")
        for suffix, compress in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress))
    }
    | {name: (partial(write_model, edit), message) for name, (edit, message) in MODELS.items()}
    | {name: (partial(write_checkpoint, edit), message) for name, (edit, message) in CHECKPOINTS.items()}
    | {f"table {name}": (partial(write_table, name, content), message) for name, (content, message) in TABLES.items()}
    | {"zip of one crystal, a thousand times": (write_zip, "its members overlap")}
    | {
        f"database with a computed {name}": (partial(write_database, statement), message)
        for name, (statement, message) in DATABASES.items()
    }
    | {"supercell of ten million atoms": (ask_for_millions, "must be an int in the range")}
)
