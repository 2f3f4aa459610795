"""The commands that look at a fitted model: evaluate, explain and info."""

import json
import textwrap
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from sklearn.base import is_classifier

from sitenet_sklearn._versions import versions
from sitenet_sklearn.analysis.attention import strongest_neighbors, summarize_attention
from sitenet_sklearn.analysis.summary import describe_model, devices, site_nets_of
from sitenet_sklearn.displays.report import write_report
from sitenet_sklearn.estimators.chunks import split_featurizer
from sitenet_sklearn.estimators.prediction_table import prediction_columns
from sitenet_sklearn.metrics import classification_metrics, regression_metrics
from sitenet_sklearn.network.weights_file import read_model
from sitenet_sklearn.pretrained import card_of
from sitenet_sklearn.tables.labelled import match_classes, read_labelled
from sitenet_sklearn.tables.predictions import featurize_table
from sitenet_sklearn.tables.reading import CrystalTable, read_tables

from .options import (
    MODEL_HELP,
    CrystalFiles,
    Jobs,
    Json,
    ModelFile,
    Overwrite,
    Skip,
    StructureColumn,
    TableFile,
    Targets,
    find_model,
    load_pipeline,
    say,
    say_left_out,
)
from .outputs import check_output, opened, write_table, writes

CHUNK = 256
WIDTH = 100
"""Characters of a line of `info`."""
SHORT = 14
"""Longest names of numbers that stand side by side."""


@writes("report")
def evaluate(
    model: ModelFile,
    data: TableFile,
    *,
    target: Targets = None,
    report: Annotated[Path | None, typer.Option(help="HTML file with figures and the largest errors.")] = None,
    quantity: Annotated[
        str | None, typer.Option(help="What the report calls a single target. Default: its column.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of the target in the report.")] = "eV",
    on_error: Skip = "raise",
    structure_column: StructureColumn = None,
    jobs: Jobs = 1,
    as_json: Json = False,
    overwrite: Overwrite = False,
):
    """Measure how well a model predicts crystals whose target is known.

    Example: sitenet evaluate gap.safetensors test.csv --target band_gap --report report.html
    """
    check_output(report, [model, data], overwrite=overwrite, option="--report")
    fitted = load_pipeline(model)
    featurizer, estimator = split_featurizer(fitted)
    if featurizer is not None:
        featurizer.set_params(n_jobs=jobs, verbose=0, on_error="raise")
    crystals = read_labelled(
        data,
        target or (),
        classify=is_classifier(estimator),
        on_error=on_error,
        featurizer=featurizer,
        structure_column=structure_column,
    )
    say_left_out(crystals.left_out)
    y_true = match_classes(crystals.y, estimator.classes_) if is_classifier(estimator) else crystals.y
    check_number_of_targets(estimator, crystals.names)
    X = crystals.structures if featurizer is None else featurizer.transform(crystals.structures)
    predictions = prediction_columns(estimator, X)
    metrics = metrics_table(estimator, y_true, predictions, crystals.names)
    if report is not None:
        names = [quantity] if quantity and len(crystals.names) == 1 else crystals.names
        names = [name.replace("_", " ") for name in names]
        write_report(
            report,
            crystals.structures,
            y_true,
            predictions,
            model=fitted,
            title=f"Site-Net: {', '.join(names)}",
            data=data.resolve().name,
            names=names,
            unit=unit,
            left_out=crystals.left_out,
        )
        say(f"wrote {report}")
    with opened(None) as stream:
        write_table(metrics, stream, as_json=as_json)


@writes("output")
def explain(
    model: ModelFile,
    data: CrystalFiles,
    *,
    output: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
    summary: Annotated[
        Literal["neighbors", "ranges", "elements", "long-range"],
        typer.Option(help="Strongest neighbours of every site, or a summary of all crystals."),
    ] = "neighbors",
    top: Annotated[int, typer.Option(min=1, help="Neighbours to list for every site, block and head.")] = 20,
    on_error: Skip = "raise",
    structure_column: StructureColumn = None,
    jobs: Jobs = 1,
    as_json: Json = False,
    overwrite: Overwrite = False,
):
    """List what a model attends to in crystals: distances in angstrom, attention as shares of 1.

    Example: sitenet explain gap.safetensors my.cif --summary ranges
    """
    check_output(output, [model, *data], overwrite=overwrite)
    featurizer, estimator = attention_parts(load_pipeline(model), model)
    chunks = read_tables(data, structure_column=structure_column, chunk_size=CHUNK)
    if summary != "neighbors":
        chunks = [join_tables(list(chunks))]
    start, header = 0, True
    with opened(output) as stream:
        for chunk in chunks:
            handling = {"start": start, "on_error": "mask" if on_error == "skip" else "raise", "n_jobs": jobs}
            X, formulas, failures = featurize_table(featurizer, chunk, **handling)
            say_left_out(failures)
            start += len(chunk)
            rows = np.flatnonzero(X.valid)
            if not len(rows):
                continue
            found = X[rows], [chunk.ids[k] for k in rows], [formulas[k] for k in rows]
            for table in attention_tables(estimator, found, summary, top):
                write_table(table, stream, as_json=as_json, header=header)
                header = False
        if header:
            raise ValueError("none of the crystals can be featurized")


def info(
    model: Annotated[
        Path | None, typer.Argument(callback=find_model, help=f"{MODEL_HELP} Without it, versions and devices.")
    ] = None,
    as_json: Json = False,
):
    """Describe a model, or what is installed.

    Example: sitenet info band_gap
    """
    described = versions() | {"devices": devices()} if model is None else describe_file(model)
    if as_json:
        typer.echo(json.dumps(described, default=str))
        return
    for name, value in described.items():
        typer.echo(as_lines(name, value))


def as_lines(name, value, indent=""):
    """Write an entry of a description as lines that fit a screen: a value, sentences, or entries of its own."""
    inner, is_short = f"{indent}  ", isinstance(value, dict) and max(map(len, value), default=0) <= SHORT
    if isinstance(value, dict) and not (is_short and all(isinstance(entry, float) for entry in value.values())):
        return "\n".join([f"{indent}{name}:", *(as_lines(key, entry, inner) for key, entry in value.items())])
    if isinstance(value, list) and any(" " in str(entry) for entry in value):
        return "\n".join([f"{indent}{name}:", *(_wrapped(f"- {_in_a_line(entry)}", inner) for entry in value)])
    return _wrapped(f"{name}: {_in_a_line(value)}", indent)


def _in_a_line(value):
    if isinstance(value, dict):
        return ", ".join(f"{key}: {entry}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _wrapped(text, indent):
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False)


def describe_file(path):
    """Describe a model and its file, as a dict."""
    fitted = load_pipeline(path)
    described = card_of(path) | {"file": str(path), "bytes": path.stat().st_size, "format": "joblib"}
    if path.suffix == ".safetensors":
        header, _ = read_model(path)
        described |= {"format": f"safetensors, sitenet_sklearn format {header['format']}"}
        described |= {"written with": header.get("versions", {})} | header.get("about", {})
    return described | describe_model(fitted)


def metrics_table(estimator, y_true, predictions, names):
    """Metrics of every target as a data frame with a row for each."""
    if is_classifier(estimator):
        shares = predictions[[name for name in predictions if name.startswith("probability_")]].to_numpy(float)
        return pd.DataFrame([{"target": names[0]} | classification_metrics(y_true, shares, estimator.classes_)])
    rows = []
    for k, name in enumerate(names):
        column, true = (f"prediction_{k + 1}", y_true[:, k]) if len(names) > 1 else ("prediction", y_true)
        rows.append({"target": name} | regression_metrics(true, predictions[column]))
    return pd.DataFrame(rows)


def check_number_of_targets(estimator, names):
    """Raise a ValueError unless a regressor has as many targets as there are columns."""
    members = site_nets_of(estimator)
    if is_classifier(estimator) or not members:
        return
    expected = members[0].net_.module_.config["n_targets"] or 1
    if expected != len(names):
        raise ValueError(f"the model has {expected} targets, but {len(names)} columns are named: {', '.join(names)}")


def attention_parts(fitted, path):
    """Take a model apart into featurizer and estimator, or say why it has no attention to show."""
    featurizer, estimator = split_featurizer(fitted)
    networks = site_nets_of(estimator)
    if not networks:
        raise ValueError(f"{path} holds a {type(estimator).__name__}, which has no attention: a Site-Net is expected")
    if featurizer is None:
        raise ValueError(f"{path} holds no SupercellFeaturizer: save a pipeline of featurizer and estimator")
    if len(networks) > 1:
        say(f"attention of the first of {len(networks)} networks")
    return featurizer, networks[0]


def attention_tables(estimator, found, summary, top):
    """Make the tables that `explain` writes: one for every crystal, or a summary of all."""
    if summary == "neighbors":
        return strongest_neighbors(estimator, *found, top=top)
    return [summarize_attention(estimator, *found, summary)]


def join_tables(tables):
    """Put the ids and crystals of tables one after the other."""
    ids = [name for table in tables for name in table.ids]
    return CrystalTable(
        ids, [crystal for table in tables for crystal in table.crystals], pd.DataFrame(index=range(len(ids)))
    )
