"""The methods of the literature, and what their released codes do instead."""

import itertools
from fractions import Fraction

import keras
import numpy as np
import pytest
from networks import CE, examples, sequential

import kprune
from kprune.masking import masks
from kprune.masking.masks import Budget
from kprune.pruning import criteria, recipes, schedules
from kprune.pruning.redrawn import rescored_at_fresh_init


def net(*after):
    return sequential(
        (4, 4, 1),
        keras.layers.Conv2D(6, 3, name="conv"),
        *after,
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(3, name="fc"),
        seed=5,
    )


def data(count=30):
    return examples(count, 4, 4, 1)


def scores(model, **options):
    return kprune.score(model, "snip", data=data(), loss=CE, **options)


def pruned(method, sparsity=0.8, model=None, **options):
    options = {"data": data(), "loss": CE, "verbose": 0, **options}
    model = kprune.prune(model or net(), method, sparsity, **options)
    return kprune.get_masks(model)


def counts(found):
    return {name: int(mask.sum()) for name, mask in found.items()}


@pytest.mark.parametrize("method, revives", [("force", 1), ("iter_snip", 0)])
def test_force_revives_and_iter_snip_does_not(method, revives):
    found, recover = [], recipes.get(method).recover

    def spy(objective, weights, current):
        found.append(current)
        return criteria.get("snip")(objective, weights, current)

    rounds = {"schedule": "exponential", "rounds": 8}
    pruned(kprune.Pruner(spy, **rounds, recover=recover))
    revived = any(
        (after[n] & ~before[n]).any()
        for before, after in itertools.pairwise(found)
        for n in before
    )
    assert revived == revives


@pytest.mark.parametrize("method", ["force", "iter_snip", "grasp_it"])
def test_iterated_methods_take_fresh_batches_in_each_round(method):
    batches = [data(10 + i) for i in range(4)]
    first = {"batches": 1}
    one = pruned(method, data=batches, scoring=first, rounds=4)
    order = [batches[i] for i in (0, 1, 2, 3, 0)]
    again = pruned(method, data=order, scoring=first, rounds=4)
    same = pruned(method, data=batches[:1], rounds=4)
    assert masks.overlap(one, again) == 1
    assert masks.overlap(one, same) < 1


def test_exponential_counts_over_the_rounds():
    # k_t = m (k / m)^(t / T), and k_T = k exactly: 10^6 to 100 in 4 rounds.
    for schedule, expected in [
        (schedules.exponential, [100_000, 10_000, 1_000, 100]),
        (schedules.linear, [750_025, 500_050, 250_075, 100]),
    ]:
        rounds = [Fraction(t, 4) for t in (1, 2, 3, 4)]
        budgets = [Budget(0.9999, schedule, t) for t in rounds]
        assert [b.keep(10**6) for b in budgets] == expected


@pytest.mark.parametrize(
    "rule, kept, left",
    [
        ("round", 33, 19),
        ("floor_keep", 33, 18),
        ("ceil_keep", 34, 19),
        ("floor_remove", 34, 19),
    ],
)
def test_counts_of_released_codes(rule, kept, left):
    # A third of 100 is 33.33..; removed are 66.66.., floored to 66.
    assert masks.count_kept(100, Fraction(2, 3), rule) == kept
    assert masks.count_kept(1000, 0.98, rule) == 20  # Exact: no rule needed.
    found = pruned(kprune.Pruner("magnitude", count=rule), 0.85)
    # 126 weights: 18.9 are to be kept.
    assert sum(counts(found).values()) == left


def test_an_unknown_rule_for_counts():
    with pytest.raises(ValueError, match="Did you mean 'floor_keep'"):
        kprune.Pruner("snip", count="floor_kept")


def test_released_force_differentiates_the_logit():
    ours = pruned("force", rounds=3)
    theirs = pruned("force", rounds=3, released_code=True)
    assert masks.overlap(ours, theirs) < 1
    rounds = {"schedule": "exponential", "rounds": 3, "recover": True}
    pruner = kprune.Pruner("snip", **rounds, count="floor_keep")
    same = pruned(pruner, scoring={"objective": "neg_logit"})
    assert masks.overlap(theirs, same) == 1


def test_released_snip_scores_other_weights_than_it_trains():
    other = net()
    for layer in other.layers:
        if layer.weights:
            layer.kernel.assign(3.0 * layer.kernel)
    one, again = (scores(x, released_code=True) for x in (net(), other))
    for name in one:  # What the model holds does not matter.
        np.testing.assert_array_equal(one[name], again[name])
    assert (scores(net())["fc/kernel"] != one["fc/kernel"]).any()
    # The kernels are drawn by Glorot's normal law: 2 / (fans) in variance.
    drawn = redrawn(kprune.models.lenet_300_100())
    deviation = np.std(drawn["fc1/kernel"])
    np.testing.assert_allclose(deviation, np.sqrt(2 / 1084), rtol=0.02)


def redrawn(model, **options):
    """Returns the weights that a criterion is given to score."""
    seen = {}

    def spy(objective, weights, current):
        seen.update(weights)
        return dict(weights)

    kprune.score(model, rescored_at_fresh_init(spy, **options))
    return {name: np.array(w) for name, w in seen.items()}


def test_released_grasp_redraws_dense_layers_only():
    model = net()
    drawn = redrawn(model, dense_only=True)
    conv, fc = (np.array(model.get_layer(n).kernel) for n in ("conv", "fc"))
    np.testing.assert_array_equal(drawn["conv/kernel"], conv)
    assert (drawn["fc/kernel"] != fc).all()
    theirs = pruned("grasp", released_code=True)
    assert masks.overlap(theirs, pruned("grasp")) < 1


def test_lamp_keeps_the_largest_shares_of_their_layers():
    # Of 4, 3 and 1: 16 / 16, 9 / 25 and 1 / 26; of 0.2 and 0.1: 1 and 1 / 5.
    kernels = [[[4.0], [3.0], [1.0]], [[0.2, 0.1]]]
    layers = [
        keras.layers.Dense(len(k[0]), use_bias=False, name=name)
        for name, k in zip("ab", kernels, strict=True)
    ]
    model = sequential((3,), *layers, values=kernels)
    for sparsity, kept in {0.6: "100 10", 0.4: "110 10", 0.2: "110 11"}.items():
        found = pruned("lamp", sparsity, model)
        bits = [m.ravel().astype(int) for m in found.values()]
        assert " ".join("".join(map(str, b)) for b in bits) == kept


# All criteria meet the contract of `kprune.testing`, which counts too.
# What removes whole blocks needs a network of some, and `test_node_paths.py`
# counts for the method that chooses single weights alone.
OTHERS = set(kprune.methods("prune")) - {
    *criteria.names(),
    *("block_influence", "node_path_balance"),
}


@pytest.mark.parametrize(
    "method",
    [*sorted(n for n in OTHERS if "_norm" not in n), "snip", "bn_gamma"],
)
def test_every_method_prunes_to_the_count(method):
    grains = {"channel": 0.5}
    if not kprune.methods()[method].channels_only:
        grains["weight"] = 0.9
    norm = keras.layers.BatchNormalization(name="bn")
    given = {"scoring": {"batches": 1}, "on_collapse": "ignore", "rounds": 3}
    for grain, sparsity in grains.items():
        model = net(norm) if method == "bn_gamma" else net()
        found = pruned(method, sparsity, model, granularity=grain, **given)
        kept = counts(found)
        if grain == "weight":
            assert sum(kept.values()) == 13  # 10 % of 54 + 72 is 12.6.
        else:
            # A channel of the convolution is read at 6 places by fc.
            assert kept == {"conv/kernel": 27, "fc/kernel": 36}


def test_recipes_of_criteria_are_called_by_name():
    assert kprune.recipes.synflow().rounds == 100
    absolute = kprune.recipes.grasp(absolute=True, granularity="channel")
    assert absolute.granularity == "channel"
    assert absolute.criterion.keywords == {"absolute": True}
    with pytest.raises(AttributeError, match="no attribute 'snipp'"):
        _ = kprune.recipes.snipp
