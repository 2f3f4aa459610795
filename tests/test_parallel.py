"""Results as they come, and from backends of joblib that give all of them at the end."""

import joblib
import pytest
from joblib import delayed
from joblib._parallel_backends import ThreadingBackend

from sitenet_sklearn._parallel import results_of


class AtTheEnd(ThreadingBackend):
    """As Ray's backend: no generators."""

    supports_return_generator = False


def square(x, seen):
    seen.append(x)
    return x * x


@pytest.mark.parametrize("ordered", [True, False])
def test_every_backend_gives_every_result(ordered):
    joblib.register_parallel_backend("at_the_end", AtTheEnd)
    for backend in ("loky", "threading", "at_the_end"):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            found = results_of((delayed(square)(k, []) for k in range(20)), ordered=ordered)
        assert sorted(found) == [k * k for k in range(20)]


def test_results_come_one_by_one():
    seen = []
    results = results_of((delayed(square)(k, seen) for k in range(5)), n_jobs=1)
    assert next(iter(results)) == 0
    assert seen == [0]


def test_other_errors_stay():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        list(results_of([delayed(square)(1, [])], n_jobs=0))
