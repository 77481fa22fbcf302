"""Node-path balance: against all masks of small layers, and by hand."""

import itertools

import keras
import numpy as np
import pytest
from networks import conv_net, sequential

import kprune
from kprune.pruning.node_paths import layers, program

RNG = np.random.default_rng


def worth(numbers, paths, most, count, alpha, beta):
    """Returns the objective as the paper states it, each term by its scale.

    Args:
        numbers: Array (masks, inputs, outputs) of the entries of each kernel.
    """
    inputs = np.minimum(paths * numbers.sum(2), 1).sum(1)
    found = paths @ numbers
    outputs = np.minimum(found, 1).sum(1)
    nodes = (inputs + outputs) / sum(numbers.shape[1:])
    share = found.sum(1) / most if most else 0
    empty = np.minimum(numbers - 1, 0).sum((1, 2)) / count
    return alpha * nodes + (1 - alpha) * share + beta * empty


@pytest.mark.parametrize(
    "paths", [(1, 1, 1), (2, 0, 1), (5, 4, 4), (9, 0, 0), (0, 0, 0)]
)
@pytest.mark.parametrize("entries", [1, 2])
def test_masks_are_the_best_of_all(paths, entries):
    paths, rng = np.array(paths, float), RNG(0)
    every = [*itertools.product(range(entries + 1), repeat=6)]
    every = np.array(every).reshape(-1, 3, 2)
    for count in range(1, 6 * entries + 1):
        fitting = every[every.sum((1, 2)) <= count]
        most = (paths @ fitting).sum(1).max()
        for alpha, beta in itertools.product(
            [0, 0.01, 0.3, 0.9, 1], [0, 0.01, 0.2, 1]
        ):
            given = paths, most, count, alpha, beta
            mask = program.kept(
                paths, (entries, 1, 3, 2), count, alpha, beta, rng
            )
            assert mask.sum() == count
            (found,) = worth(mask.sum((0, 1))[None], *given)
            best = worth(fitting, *given).max()
            assert found == pytest.approx(best, abs=1e-12), given


def test_nodes_are_bought_while_paths_cost_less():
    # Five of 4 x 3 entries, paths 9, 8, 1 and 0: at most 9 + 9 + 9 + 8 + 8.
    def sums(alpha):
        paths = np.array([8.0, 1, 9, 0])
        return program.of_inputs(paths, 3, 1, 5, alpha, 0, RNG(0)).tolist()

    # Input 1 costs 7/43 of the paths, and brings 1/7 of the nodes.
    border = (7 / 43) / (7 / 43 + 1 / 7)
    assert sums(border - 1e-6) == [2, 0, 3, 0]
    assert sums(border + 1e-6) == [1, 1, 3, 0]
    assert sums(0) == [2, 0, 3, 0]


def test_kernels_keep_one_entry_before_any_keeps_two():
    paths = np.array([1.0, 5.0])
    found = program.of_inputs(paths, 3, 9, 8, 0.01, 1, RNG(0))
    assert found.tolist() == [3, 5]
    numbers = program.of_kernels(found, paths > 0, 3, RNG(0))
    assert numbers[0].tolist() == [1, 1, 1]
    assert sorted(numbers[1]) == [1, 2, 2]
    # Without their factor, all go where the paths are.
    found = program.of_inputs(paths, 3, 9, 8, 0, 0, RNG(0))
    assert found.tolist() == [0, 8]


def test_equal_choices_are_drawn_and_spread():
    sums = program.of_inputs(np.ones(40), 50, 1, 400, 0.01, 1, RNG(0))
    assert sums.min() >= 1 and sums.sum() == 400 and len(set(sums)) > 3
    numbers = program.of_kernels(sums, np.ones(40, bool), 50, RNG(1))
    assert numbers.max() == 1
    np.testing.assert_array_equal(numbers.sum(0), 8)
    kept = program.kept(np.ones(2), (5, 5, 2, 2), 40, 0.01, 1, RNG(0))
    # About ten entries of 25 in each kernel, and others in each.
    numbers = kept.sum((0, 1))
    assert numbers.sum() == 40
    assert (np.ptp(numbers, axis=1) <= 1).all()
    assert len({kept[..., i, j].tobytes() for i in (0, 1) for j in (0, 1)}) == 4


@pytest.mark.parametrize("first", [False, True])
def test_a_layer_is_chosen_by_the_paths_behind_the_layer_before(first):
    # A window of 2 x 2 has 2 places on 2 x 3. Of the kernels, that from
    # channel 1 to channel 0 is empty, and the others are whole.
    side = {"data_format": "channels_first" if first else "channels_last"}
    conv = keras.layers.Conv2D(2, 2, use_bias=False, name="conv", **side)
    pool = keras.layers.GlobalMaxPooling2D(**side)
    shape = (2, 2, 3) if first else (2, 3, 2)
    model = sequential(shape, conv, pool, keras.layers.Dense(3, name="fc"))
    seen = {}

    def choose(name, paths):
        seen[name] = paths.tolist()
        if name == "fc/kernel":
            return np.ones((2, 3), bool)
        mask = np.ones(conv.kernel.shape, bool)
        mask[:, :, 1, 0] = False
        return mask

    layers.masks(model, ["conv/kernel", "fc/kernel"], choose, {})
    # Ones at six places; then 4 and 8 paths at both places.
    assert seen == {"conv/kernel": [6, 6], "fc/kernel": [8, 16]}


def branching():
    inputs = x = keras.Input((6, 6, 3))
    for name in "ab":
        x = keras.layers.Conv2D(
            4, 3, padding="same", activation="relu", name=name
        )(x)
        x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
        aside = keras.layers.Conv2D(4, 1, name=f"{name}1")(x)
        x = keras.layers.Add()([x, aside])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="last")(x))


def test_shares_are_erks_and_all_that_is_kept_is_on_paths():
    model, given = branching(), {"seed": 3, "prove": False}
    # With so much for nodes, none is without a weight.
    pruned = kprune.prune(model, "node_path_balance", 0.7, alpha=0.5, **given)
    drawn = kprune.prune(model, "random", 0.7, allocation="erk", **given)
    kept, other = (
        {name: int(mask.sum()) for name, mask in kprune.get_masks(one).items()}
        for one in (pruned, drawn)
    )
    assert kept == other
    plain = {"multiply_adds": False}
    report = kprune.report(pruned, **plain)
    assert report.effective_kept == report.kept == sum(kept.values())
    assert (
        report.effective_paths > kprune.report(drawn, **plain).effective_paths
    )


def test_neither_weights_nor_data_are_read_and_seeds_draw_others():
    model, other = conv_net((6, 6, 2)), conv_net((6, 6, 2))
    other.set_weights([-3 * w for w in other.get_weights()])
    found = [
        kprune.get_masks(
            kprune.prune(one, "node_path_balance", 0.8, seed=seed, prove=False)
        )
        for one, seed in ((model, 0), (other, 0), (model, 1))
    ]
    same = [
        all((found[0][name] == masks[name]).all() for name in masks)
        for masks in found
    ]
    assert same == [True, True, False]


def test_weights_that_are_left_out_are_passed():
    model = sequential(
        (6, 6, 2),
        keras.layers.DepthwiseConv2D(3, name="deep"),
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, name="fc"),
    )
    with pytest.raises(ValueError, match=r"`exclude`.*'deep/kernel'"):
        kprune.prune(model, "node_path_balance", 0.5)
    first = kprune.prune(model, "magnitude", 0.5, exclude=["conv", "fc"])
    pruned = kprune.prune(first, "node_path_balance", 0.5, exclude="deep")
    masks = kprune.get_masks(pruned)
    assert masks["conv/kernel"].sum() + masks["fc/kernel"].sum() == 42
    before = kprune.get_masks(first)["deep/kernel"]
    np.testing.assert_array_equal(masks["deep/kernel"], before)


def test_rounds_choose_anew_and_a_pruned_model_may_get_weights_back():
    model = kprune.models.fc((8, 6), input_shape=(12,), classes=5)
    method, given = "node_path_balance", {"verbose": 0, "prove": False}

    def kept(one):
        return sum(m.sum() for m in kprune.get_masks(one).values())

    once = kprune.prune(model, method, 0.9, **given)
    rounds = {"schedule": "linear", "rounds": 2}
    twice = kprune.prune(model, method, 0.9, **rounds, **given)
    # Of 12 x 8 + 8 x 6 + 6 x 5 = 174 weights.
    assert kept(once) == kept(twice) == 17
    assert kept(kprune.prune(once, method, 0.5, **given)) == 87


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "`alpha`"),
        ({"beta": -1}, "`beta`"),
        ({"granularity": "channel"}, "single weights"),
        ({"recover": False}, "`recover`.*among all weights"),
        ({"allocation": "per_output"}, "`allocation`.*each weight"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        kprune.prune(conv_net((6, 6, 2)), "node_path_balance", 0.5, **options)


def test_targets_and_own_classes_are_refused():
    with pytest.raises(ValueError, match=r"`target`.*to a sparsity"):
        kprune.prune(
            conv_net((6, 6, 2)), "node_path_balance", target={"flops": 0.5}
        )

    class Own(keras.layers.Dense):
        pass

    with pytest.raises(ValueError, match=r"`exclude`.*of a Own"):
        kprune.prune(sequential((4,), Own(3)), "node_path_balance", 0.5)
    lambdas = keras.layers.Lambda(lambda x: 2 * x, output_shape=(4,))
    model = sequential((4,), lambdas, keras.layers.Dense(3))
    with pytest.raises(ValueError, match=r"Node-path.*own layers only"):
        kprune.prune(model, "node_path_balance", 0.5)
