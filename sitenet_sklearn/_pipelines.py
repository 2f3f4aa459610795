"""Steps of a model: a pipeline and an estimator alone are taken alike."""

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
