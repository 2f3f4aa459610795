import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.tuning.spaces import SPACES, check_space, search_space, suggest


@pytest.mark.parametrize("level", SPACES)
def test_every_end_of_the_spaces_can_be_built(level):
    check_space(search_space(level), SiteNetRegressor())


@pytest.mark.parametrize("level", SPACES)
def test_suggestions_are_inside_the_space(level):
    space = search_space(level, prefix="sitenet__")
    assert all(name.startswith("sitenet__") for name in space)
    values = suggest(optuna.create_study().ask(), space)
    for name, distribution in space.items():
        assert distribution._contains(distribution.to_internal_repr(values[name]))


def test_the_ranges_of_the_paper_hold_the_model_of_the_paper():
    model, space = SiteNetRegressor(), search_space("paper")
    for name, distribution in space.items():
        layers, _, part = name.partition("__")
        value = getattr(model, layers)
        value = {"": value, "width": value[0], "depth": len(value)}[part] if part else value
        assert distribution._contains(distribution.to_internal_repr(value)), name


@pytest.mark.parametrize("value", [0, -1])
def test_layers_without_width_are_refused(value):
    space = {"post_pool_layers__width": IntDistribution(value, 4)}
    with pytest.raises(ValueError, match=rf"post_pool_layers__width={value} of the space cannot be built: .*positive"):
        check_space(space, SiteNetRegressor())


def test_widths_and_depths_of_layers():
    model = SiteNetRegressor(attention_hidden_layers=())
    assert model.set_params(pre_pool_layers__depth=3).pre_pool_layers == (94, 94, 94)
    assert model.set_params(pre_pool_layers__width=7).pre_pool_layers == (7, 7, 7)
    assert model.set_params(attention_hidden_layers__width=5, attention_hidden_layers__depth=2, lr=0.1).lr == 0.1
    assert model.attention_hidden_layers == (5, 5)
    with pytest.raises(ValueError, match="pre_pool_layers holds no layer whose width could be kept"):
        model.set_params(pre_pool_layers=(), pre_pool_layers__depth=2)


@pytest.mark.parametrize(
    "distribution",
    [IntDistribution(10, 100, step=10), IntDistribution(1, 64, log=True), FloatDistribution(0.0, 1.0, step=0.25)],
)
def test_steps_and_logarithms_are_kept(distribution):
    trial = optuna.create_study().ask()
    suggest(trial, {"x": distribution, "kind": CategoricalDistribution(["a", "b"])})
    assert trial.distributions["x"] == distribution
