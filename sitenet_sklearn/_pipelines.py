"""Steps of a model: a pipeline and an estimator alone are taken alike."""

from difflib import get_close_matches

from sklearn.pipeline import Pipeline


def last_step(model):
    """Return the last step of a pipeline, and what is no pipeline as it is."""
    return model.steps[-1][1] if isinstance(model, Pipeline) else model


def prefix_of_last_step(model):
    """Return what to put before a parameter of the last step: its name and "__", or nothing without a pipeline."""
    return f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""


def steps_of(model):
    """List the steps of a pipeline; what is no pipeline is the only one."""
    return [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]


def parameter_names(model):
    """List the names that `set_params` takes, those of widths and depths of layers included."""
    names = list(model.get_params())
    layers = [name for name in names if name.endswith("_layers")]
    return names + [f"{name}__{part}" for name in layers for part in ("width", "depth")]


def similar_names(name, known):
    """Say which known names may be meant by a wrong one: the same of a step, or else those spelled alike."""
    words = {other: other.partition("__")[2] or other for other in known}
    word = name.partition("__")[2] or name
    close = get_close_matches(word, words.values(), n=2)
    similar = [other for other in known if other.endswith(f"__{name}")]
    similar = similar or [other for other in known if other.endswith(f"__{word}")]
    similar = similar or [other for other in known if words[other] in close]
    return f"; did you mean {' or '.join(map(repr, similar[:3]))}?" if similar else ""
