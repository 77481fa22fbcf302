"""The Hessian's diagonal against the exact one, and OBD's estimate of it."""

import numpy as np
import pytest
import reference as ref

pytestmark = [*ref.MARKS, ref.in_float64]


def diagonal(objective, name, place):
    """Returns e' H e, with e one in one entry of one weight."""
    unit = {n: np.zeros(w.shape) for n, w in objective.weights.items()}
    unit[name].flat[place] = 1
    return np.ravel(objective.hvp(objective.weights, unit)[name])[place]


@pytest.mark.parametrize("layer", ["fc1", "fc2", "fc3"])
def test_hvp_gives_the_diagonal_of_the_mlp(layer):
    name = f"{layer}/kernel"
    exact = ref.stored_scores("mlp_relu", "hess_diag.eval")[name]
    ours = ref.objective("mlp_relu")
    rng = np.random.default_rng(0)
    for place in rng.choice(np.flatnonzero(exact), 10, replace=False):
        expected = exact.flat[place]  # Stored in float32, rounded by 6e-8.
        assert diagonal(ours, name, place) == pytest.approx(expected, rel=1e-7)
    for place in rng.choice(np.flatnonzero(exact == 0), 2):
        assert diagonal(ours, name, place) == 0


@pytest.mark.parametrize(
    "mode", [pytest.param("eval", marks=pytest.mark.slow), "train"]
)
def test_hvp_gives_the_diagonal_of_the_resnet(mode):
    ours = ref.objective("resnet", mode, "0[:8]")
    for name in ours.weights:
        key = f"a.hess_diag.{mode}.{name.removesuffix('/kernel')}"
        places = ref.arrays("resnet", "scores")[f"{key}.flat_index"]
        exact = ref.arrays("resnet", "scores")[f"{key}.value"]
        # Three of the forty, as each is a product with the whole Hessian.
        found = [diagonal(ours, name, place) for place in places[:3]]
        largest = np.abs(exact).max()
        np.testing.assert_allclose(
            found, exact[:3], rtol=0, atol=1e-12 * largest, err_msg=name
        )


def estimate(seed, samples):
    """Returns the diagonal that OBD's scores h w^2 / 2 are made of."""
    view = ref.objective("mlp_relu").on(0)
    view.seed = seed
    scores = ref.score(view, "obd", samples=samples)
    return {n: 2 * s / view.weights[n].numpy() ** 2 for n, s in scores.items()}


@pytest.mark.slow
def test_hutchinson_is_within_its_standard_error():
    exact = ref.stored_scores("mlp_relu", "hess_diag.eval")
    count, sums, squares = 100, {}, {}
    traces = {name: [] for name in exact}
    for seed in range(count):
        for name, h in estimate(seed, samples=1).items():
            sums[name] = sums.get(name, 0) + h
            squares[name] = squares.get(name, 0) + h**2
            traces[name].append(h.sum())
    together = estimate(count, samples=count)
    for name, h in exact.items():
        mean = sums[name] / count
        spread = np.sqrt((squares[name] / count - mean**2) / (count - 1))
        drawn = spread > 0  # The other rows and columns are zero.
        np.testing.assert_array_equal(mean[~drawn], h[~drawn])
        # Deviations in units of the standard error, squared, average to
        # (n - 1) / (n - 3) = 1.02 where nothing but chance is in them.
        units = np.square((mean - h)[drawn] / spread[drawn])
        assert units.mean() == pytest.approx(1.02, abs=0.15), name
        # One entry is drowned in it; not so their sum.
        trace = h.sum()
        sure = np.std(traces[name], ddof=1) / np.sqrt(count)
        assert sure < trace / 5
        assert np.mean(traces[name]) == pytest.approx(trace, abs=3 * sure)
        assert together[name].sum() == pytest.approx(trace, abs=3 * sure)
