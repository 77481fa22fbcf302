"""3SP, network slimming, and what becomes of kept weights."""

import keras
import numpy as np
import pytest

import kprune
from kprune.masking import weights
from kprune.pruning import criteria
from kprune.pruning.granularity.coupled_channels import CoupledChannels
from kprune.runtime.methods import Method

layers = keras.layers
CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def net():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, name="a"),
            layers.BatchNormalization(name="bn_a"),
            layers.ReLU(name="relu"),
            layers.Conv2D(16, 3, use_bias=False, name="b"),
            layers.BatchNormalization(name="bn_b"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(5, name="c"),
        ]
    )


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 8, 8, 3)).astype("float32")
    return x, rng.integers(0, 5, 32)


def units(model):
    masks = kprune.get_masks(model)
    return {n: masks[f"{n}/kernel"].any((0, 1, 2)) for n in "ab"}


def test_3sp_divides_a_gates_gradient_by_the_flops_that_go():
    model = net()
    scores = kprune.score(model, "skeletonization", data=data(), loss=CE)
    gates = {
        "a": np.abs(scores["b/kernel"].sum((0, 1, 3))) / (36 * 27 + 16 * 144),
        "b": np.abs(scores["c/kernel"].sum(1)) / (16 * 72 + 5),
    }
    border = np.sort(np.concatenate(list(gates.values())))[12]
    pruned = kprune.prune(model, "3sp", 0.5, data=data(), loss=CE)
    for name, kept in units(pruned).items():
        np.testing.assert_array_equal(kept, gates[name] >= border)


def test_3sp_to_a_target():
    pruned = kprune.prune(
        net(), "3sp", target={"flops": 0.5}, data=data(), loss=CE
    )
    report = kprune.report(pruned)
    assert report.sparse_multiply_adds <= 0.5 * report.multiply_adds


def test_3sp_rescales_what_it_keeps():
    model = net()
    plain = kprune.prune(model, "3sp", 0.5, data=data(), loss=CE)
    scaled = kprune.prune(model, "3sp", 0.5, data=data(), loss=CE, rescale=True)
    a, b = (units(plain)[n] for n in "ab")
    for name, factor in (
        ("a", 1),  # It reads the image, of which nothing goes.
        ("b", (8 / a.sum()) ** 0.5),
        ("c", (16 / b.sum()) ** 0.5),
    ):
        np.testing.assert_allclose(
            scaled.get_layer(name).layer.kernel,
            factor * np.asarray(plain.get_layer(name).layer.kernel),
            rtol=1e-6,
        )
        np.testing.assert_array_equal(
            kprune.get_masks(plain)[f"{name}/kernel"],
            kprune.get_masks(scaled)[f"{name}/kernel"],
        )


def test_3sp_draws_what_it_keeps_anew():
    model = net()
    options = {"data": data(), "loss": CE, "reinit": True}
    pruned = kprune.prune(model, "3sp", 0.5, **options)
    again = kprune.prune(model, "3sp", 0.5, **options)
    other = kprune.prune(model, "3sp", 0.5, seed=1, **options)
    a, b = (units(pruned)[n] for n in "ab")
    kernel = np.asarray(pruned.get_layer("b").layer.kernel)
    kept = kernel[:, :, a][..., b]
    before = np.asarray(model.get_layer("b").kernel)[:, :, a][..., b]
    assert (kept != before).all()
    # Glorot's limit for what is left, which all are within and some near.
    limit = (6 / (9 * a.sum() + 9 * b.sum())) ** 0.5
    assert 0.9 * limit < np.abs(kept).max() <= limit
    assert not kernel[:, :, ~a].any() and not kernel[..., ~b].any()
    np.testing.assert_array_equal(kernel, again.get_layer("b").layer.kernel)
    assert (kernel != np.asarray(other.get_layer("b").layer.kernel)).any()


def test_3sp_cannot_do_both():
    with pytest.raises(ValueError, match="Received: both"):
        kprune.prune(net(), "3sp", 0.5, reinit=True, rescale=True)


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
    plain = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, name="a"),
            layers.Dense(2, name="b"),
        ]
    )
    with pytest.raises(ValueError, match="scored nothing that may go"):
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
    ],
)
def test_each_method_has_its_way_with_channels(method, options):
    given = {"data": data(), "loss": CE, "on_collapse": "ignore"}
    given = {**given, "verbose": 0, "rounds": 2}
    by_name, by_hand = (
        kprune.get_masks(
            kprune.prune(net(), method, 0.4, granularity=grain, **given)
        )
        for grain in ("channel", kprune.Channel(**options))
    )
    for name, mask in by_name.items():
        np.testing.assert_array_equal(mask, by_hand[name])


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


def test_random_channels_are_drawn_alike_from_narrow_and_wide_layers():
    """Pooled over its weights, a wide channel's score would be the larger."""
    layouts = {n: w.layout for n, w in weights.prunable(net()).items()}
    model = net()
    alive = {n: np.ones(layout.shape, bool) for n, layout in layouts.items()}
    grouping = CoupledChannels(
        kprune.Pruner("random", "channel").grain, model, layouts
    )
    means = []
    for seed in range(40):
        scores = kprune.score(model, "random", seed=seed)
        found = dict(grouping.scored_in(scores).pooled(scores, alive, None))
        means.append([found["a/kernel"].mean(), found["b/kernel"].mean()])
    # 320 and 640 draws from U(0, 1), whose means deviate by 0.016 and 0.011.
    np.testing.assert_allclose(np.mean(means, 0), 0.5, atol=0.06)


def test_rescaled_variance_counts_the_inputs_of_units_that_are_left():
    model = kprune.wrap(net())
    masks = kprune.get_masks(model)
    masks["c/kernel"][:] = False
    masks["c/kernel"][:6, :2] = True  # Two units of 6 inputs, where 16 were.
    kprune.set_masks(model, masks)
    before = np.asarray(model.get_layer("c").layer.kernel).copy()
    kprune.kept_weights.rescale_variance(model)
    after = np.asarray(model.get_layer("c").layer.kernel)
    np.testing.assert_allclose(after, before * (16 / 6) ** 0.5, rtol=1e-6)


def test_single_weights_have_no_shape_to_draw():
    pruned = kprune.prune(net(), "magnitude", 0.5)
    before = [np.array(v) for v in pruned.variables]
    with pytest.raises(ValueError, match="whole channels"):
        kprune.kept_weights.reinitialize(pruned)
    for variable, value in zip(pruned.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
