"""3SP, network slimming, and what becomes of kept weights."""

import keras
import numpy as np
import pytest
from lifecycle import assert_same, unchanged
from networks import CE, examples, sequential

import kprune
from kprune.masking import weights
from kprune.pruning import criteria
from kprune.runtime.methods import Method

layers = keras.layers
GIVEN = {"data": examples(32, 8, 8, 3, classes=5), "loss": CE}


def net():
    return sequential(
        (8, 8, 3),
        layers.Conv2D(8, 3, name="a"),
        layers.BatchNormalization(name="bn_a"),
        layers.ReLU(name="relu"),
        layers.Conv2D(16, 3, use_bias=False, name="b"),
        layers.BatchNormalization(name="bn_b"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(5, name="c"),
        seed=1,
    )


def pruned_by_3sp(model, **options):
    return kprune.prune(model, "3sp", 0.5, **GIVEN, **options)


def kernel(model, name):
    return np.asarray(weights.unwrapped(model.get_layer(name)).kernel)


def units(model):
    masks = kprune.get_masks(model)
    return {n: masks[f"{n}/kernel"].any((0, 1, 2)) for n in "ab"}


def test_3sp_divides_a_gates_gradient_by_the_flops_that_go():
    model = net()
    scores = kprune.score(model, "skeletonization", **GIVEN)
    gates = {
        "a": np.abs(scores["b/kernel"].sum((0, 1, 3))) / (36 * 27 + 16 * 144),
        "b": np.abs(scores["c/kernel"].sum(1)) / (16 * 72 + 5),
    }
    border = np.sort(np.concatenate(list(gates.values())))[12]
    for name, kept in units(pruned_by_3sp(model)).items():
        np.testing.assert_array_equal(kept, gates[name] >= border)


def test_3sp_rescales_what_it_keeps():
    model = net()
    plain, scaled = pruned_by_3sp(model), pruned_by_3sp(model, rescale=True)
    a, b = (units(plain)[n] for n in "ab")
    # a reads the image, of which nothing goes.
    factors = {"a": 1, "b": (8 / a.sum()) ** 0.5, "c": (16 / b.sum()) ** 0.5}
    assert_same(kprune.get_masks(plain), kprune.get_masks(scaled))
    for name, factor in factors.items():
        expected = factor * kernel(plain, name)
        np.testing.assert_allclose(kernel(scaled, name), expected, rtol=1e-6)


def test_3sp_draws_what_it_keeps_anew():
    model = net()
    pruned, again, other = (
        pruned_by_3sp(model, reinit=True, seed=seed) for seed in (0, 0, 1)
    )
    a, b = (units(pruned)[n] for n in "ab")
    drawn, before = kernel(pruned, "b"), kernel(model, "b")
    kept = drawn[:, :, a][..., b]
    assert (kept != before[:, :, a][..., b]).all()
    # Glorot's limit for what is left, which all are within and some near.
    limit = (6 / (9 * a.sum() + 9 * b.sum())) ** 0.5
    assert 0.9 * limit < np.abs(kept).max() <= limit
    assert not drawn[:, :, ~a].any() and not drawn[..., ~b].any()
    np.testing.assert_array_equal(drawn, kernel(again, "b"))
    assert (drawn != kernel(other, "b")).any()


def test_3sp_cannot_do_both():
    with pytest.raises(ValueError, match="Received: both"):
        pruned_by_3sp(net(), reinit=True, rescale=True)


def test_bn_gamma_keeps_the_largest_gammas():
    model = net()
    rng = np.random.default_rng(0)
    gammas = {"a": rng.normal(size=8), "b": rng.normal(size=16)}
    for name, value in gammas.items():
        model.get_layer(f"bn_{name}").gamma.assign(value)
    pruned = kprune.prune(model, "bn_gamma", 0.25)
    border = np.sort(np.abs(np.concatenate(list(gammas.values()))))[6]
    for name, kept in units(pruned).items():
        expected = np.abs(gammas[name].astype("float32")) >= border - 1e-7
        np.testing.assert_array_equal(kept, expected)


def test_bn_gamma_needs_batch_normalization_in_a_graph():
    plain = sequential((4,), layers.Dense(6), layers.Dense(2))
    with pytest.raises(ValueError, match="scored nothing that can be pruned"):
        kprune.prune(plain, "bn_gamma", 0.5)
    with pytest.raises(ValueError, match="gave no scores"):
        kprune.prune(net(), "bn_gamma", 0.5, granularity="weight")


@pytest.mark.parametrize(
    "method, options",
    [
        ("magnitude", {"reduce": "l2"}),
        ("snip", {"reduce": "sum"}),
        ("grasp", {"reduce": "sum", "side": "outgoing"}),
        ("skeletonization", {"reduce": "sum", "side": "outgoing"}),
        ("synflow", {"reduce": "sum"}),
        # The sum of many draws would hardly differ between wide channels.
        ("random", {"reduce": "first"}),
    ],
)
def test_each_method_has_its_way_with_channels(method, options):
    assert kprune.Pruner(method, "channel").grain == kprune.Channel(**options)


def largest(objective, weights, masks):
    return {name: np.abs(np.asarray(w)) for name, w in weights.items()}


def test_an_entry_beside_a_function_says_how(monkeypatch):
    assert kprune.Pruner(largest, "channel").grain == kprune.Channel()
    entry = Method("largest", "", "", "", channel={"reduce": "max"})
    monkeypatch.setitem(globals(), "METHOD", entry)
    assert kprune.Pruner(largest, "channel").grain == kprune.Channel("max")


def test_prospr_is_structured_on_channels():
    criterion, options = criteria.on_channels("prospr")
    assert criterion.keywords == {"signed": True}
    assert options == {"reduce": "abs_sum"}


def test_rescaled_variance_counts_the_inputs_of_units_that_are_left():
    model = kprune.wrap(net())
    masks = kprune.get_masks(model)
    masks["c/kernel"][:] = False
    masks["c/kernel"][:6, :2] = True  # Two units of 6 inputs, where 16 were.
    kprune.set_masks(model, masks)
    expected = kernel(model, "c") * (16 / 6) ** 0.5
    kprune.kept_weights.rescale_variance(model)
    np.testing.assert_allclose(kernel(model, "c"), expected, rtol=1e-6)


def test_single_weights_have_no_shape_to_draw():
    pruned = kprune.prune(net(), "magnitude", 0.5)
    with unchanged(pruned), pytest.raises(ValueError, match="whole channels"):
        kprune.kept_weights.reinitialize(pruned)
