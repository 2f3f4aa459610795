"""The pipeline that a command trains: made from options, checked before anything long begins, and written."""

import hashlib
import json
import re

import joblib
import numpy as np
import pandas as pd
import typer
from sklearn.pipeline import Pipeline

from sitenet_sklearn._files import written_whole
from sitenet_sklearn._pipelines import parameter_names, similar_names
from sitenet_sklearn._validation import check_widths, validate_parameters
from sitenet_sklearn.analysis.summary import site_nets_of
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.classifier import SiteNetClassifier
from sitenet_sklearn.estimators.disorder import DisorderedRegressor
from sitenet_sklearn.estimators.parameters import LAYERS
from sitenet_sklearn.estimators.persistence import load_model, save_model
from sitenet_sklearn.estimators.regressor import SiteNetRegressor
from sitenet_sklearn.featurization.featurizer import SupercellFeaturizer
from sitenet_sklearn.network.weights_file import read_model
from sitenet_sklearn.tables.contents import contents_of
from sitenet_sklearn.tables.reading import read_tables
from sitenet_sklearn.training.devices import resolve_device


def make_model(parameters, *, classify, max_atoms, device, jobs, quiet, **settings):
    """Make the pipeline that the options ask for, and check all its parameters.

    Parameters
    ----------
    parameters : dict of str to object
        Parameters of the pipeline that were named; they come last.
    classify : bool
        Whether to classify.
    max_atoms : int
        Size of the supercells.
    device : str
        Where to compute.
    jobs : int
        Processes that featurize.
    quiet : bool
        Whether to show no progress.
    **settings
        Parameters of the Site-Net.

    Returns
    -------
    sklearn.pipeline.Pipeline
        With the steps "featurizer" and "sitenet", not fitted.

    Raises
    ------
    ValueError, TypeError
        If a parameter is unknown or wrong, or the device is not there.
    """
    estimator, verbose = SiteNetClassifier if classify else SiteNetRegressor, int(not quiet)
    site_net = estimator(device=device, verbose=verbose, **settings)
    featurizer = SupercellFeaturizer(max_atoms=max_atoms, n_jobs=jobs, verbose=verbose)
    pipeline = Pipeline([("featurizer", featurizer), ("sitenet", site_net)])
    _check_names(parameters, pipeline)
    pipeline.set_params(**parameters)
    for step in pipeline:
        validate_parameters(step)
    check_widths(pipeline[-1], LAYERS)
    resolve_device(pipeline[-1].device)
    return pipeline


def begin_from(path, max_atoms=None):
    """Parameters of a pipeline that goes on from a trained model: its file, a new output, and the same features.

    Parameters
    ----------
    path : pathlib.Path
        File of `save_model`.
    max_atoms : int, default=None
        What was asked for, if anything.

    Returns
    -------
    dict of str to object
    """
    if path.suffix != ".safetensors":
        raise typer.BadParameter(f"--from {path} is no file of save_model: its name must end in .safetensors")
    if not path.is_file():
        raise typer.BadParameter(f"--from {path}: no such file")
    model = load_model(path)
    featurizer, _ = split_featurizer(model.estimator_ if isinstance(model, DisorderedRegressor) else model)
    if featurizer is None:
        raise typer.BadParameter(
            f"--from {path} holds no SupercellFeaturizer: save a pipeline of featurizer and network"
        )
    features = featurizer.get_params()
    if max_atoms not in {None, featurizer.max_atoms}:
        raise typer.BadParameter(
            f"--max-atoms: the model of --from has {featurizer.max_atoms}, and keeps it: leave it out"
        )
    own = {"cache", "n_jobs", "verbose", "on_error"}
    parameters = {f"featurizer__{name}": value for name, value in features.items() if name not in own}
    return parameters | {"sitenet__pretrained": str(path), "sitenet__new_head": True}


def _check_names(parameters, pipeline):
    known = [name for name in parameter_names(pipeline) if "__" in name]
    for name in parameters:
        if name not in known:
            kinds = f": sitenet__ and a parameter of {type(pipeline[-1]).__name__}, or featurizer__ and one of "
            hint = similar_names(name, known) or f"{kinds}SupercellFeaturizer are expected"
            raise ValueError(f"unknown parameter {name!r}{hint}")


def check_targets(y, ids, estimator):
    """Raise a ValueError for targets that the estimator would refuse, before crystals are featurized.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, k)
        Numbers or classes.
    ids : sequence of str, length n
        Of the crystals.
    estimator : SiteNetRegressor or SiteNetClassifier
        To be trained.
    """
    if isinstance(estimator, SiteNetClassifier):
        if len(np.unique(y)) < 2:
            raise ValueError(f"at least two classes are expected, all {len(y)} crystals have {str(y[0])!r}")
        return
    lowest = np.nanmin(np.where(estimator.clamp, y.reshape(len(y), -1), np.inf), axis=1)
    if lowest.min() < 0:
        k = int(lowest.argmin())
        raise ValueError(
            f"the target of {ids[k]} is {lowest[k]:.4g}, but negative values cannot be predicted: if they are meant, "
            "pass --parameter sitenet__clamp=false"
        )
    if np.isnan(y).all(axis=0).any():
        raise ValueError("one of the targets is unknown for all crystals: leave it away")


def doubts(crystals, *, classify):
    """List what may be a mistake in a table, though it can be trained on.

    Parameters
    ----------
    crystals : Labelled
        n crystals.
    classify : bool
        Whether the target is a class.

    Returns
    -------
    list of str
    """
    names, n = crystals.structures.index, len(crystals.y)
    repeated, n_values = names[names.duplicated()].unique(), len(np.unique(crystals.y)) if classify else 0
    found = []
    if len(repeated):
        found.append(f"{len(repeated)} ids occur more than once: {_some(repeated)}")
    copies = pd.Series(list(map(_description, crystals.structures)), names).duplicated()
    if copies.any() and not len(repeated):
        found.append(
            f"{copies.sum()} crystals are described a second time, under another id: {_some(names[copies])}; where one "
            "is trained on and its copy is held out, errors come out too small"
        )
    if n == 1:
        found.append("there is only 1 crystal to learn from")
    if n_values > max(20, n // 4):
        found.append(f"the target has {n_values} different values, each a class of its own: leave out --classify?")
    return found


def _some(names):
    return ", ".join(map(str, names[:5]))


def _description(structure):
    """Describe a crystal so that equal files agree, whatever the order of their sites."""
    coordinates = np.round(structure.frac_coords % 1, 4) % 1
    order = np.lexsort(coordinates.T)
    species = [str(structure[int(k)].species) for k in order]
    return str(species), coordinates[order].tobytes(), np.round(structure.lattice.parameters, 3).tobytes()


def write_fitted(pipeline, output, about=None):
    """Write a fitted pipeline, without what belongs to its training alone."""
    own = {"cache": None, "n_jobs": None, "verbose": 0, "checkpoint_dir": None}
    for model in (pipeline, *site_nets_of(pipeline)):  # those inside a calibration are no parameters of it
        names = {name: name.rpartition("__")[2] for name in model.get_params()}
        model.set_params(**{name: own[last] for name, last in names.items() if last in own})
    if output.suffix == ".safetensors":
        save_model(pipeline, output, about=about)
    else:
        with written_whole(output) as temporary:
            joblib.dump(pipeline, temporary)


def about_of(path):
    """Read what `fit` wrote about a model into its file, as a dict; empty where there is nothing."""
    about = read_model(path)[0].get("about") if path.suffix == ".safetensors" else None
    return about if isinstance(about, dict) else {}


def name_targets(predictions, about):
    """Name the columns of several targets as the table of the training did, where the file of the model says so.

    Parameters
    ----------
    predictions : pandas.DataFrame
        With columns `prediction_1`, `prediction_2` and so on, or without.
    about : dict
        From `about_of`.

    Returns
    -------
    pandas.DataFrame
        With columns such as `prediction_band_gap`.
    """
    n = sum(re.fullmatch(r"prediction_\d+", name) is not None for name in predictions)
    names = str(about.get("target", "")).split(", ") if n else []
    if len(set(names)) != n:
        return predictions
    kinds = ("prediction", "std")
    return predictions.rename(columns={f"{kind}_{k + 1}": f"{kind}_{names[k]}" for kind in kinds for k in range(n)})


def study_name(data, structure_column, settings, pipeline):
    """Name a study by its data and settings, so that a storage never mixes trials that cannot be compared."""
    ignored = {"featurizer__n_jobs", "featurizer__verbose", "sitenet__device", "sitenet__verbose"}
    parameters = {name: repr(value) for name, value in pipeline.get_params().items() if "__" in name}
    parameters = {name: value for name, value in parameters.items() if name not in ignored}
    content = contents_of(read_tables([data], structure_column=structure_column)).checksum
    text = json.dumps([content, settings, sorted(parameters.items())])
    return f"sitenet-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
