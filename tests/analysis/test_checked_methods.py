"""Methods with a sanity check on them, at every granularity."""

import functools

import keras
import numpy as np
import pytest
from networks import CE, conv_net, dense_net, examples, sequential

import kprune
from kprune.analysis import sanity

DATA = examples(30, 5, 5, 2)


def net():
    return conv_net((5, 5, 2), filters=8, units=12, norm=False, seed=5)


def pruned(method, sparsity=0.5, **options):
    options = {"data": DATA, "loss": CE, "verbose": 0, **options}
    return kprune.prune(net(), method, sparsity, **options)


def masks(*arguments, **options):
    return kprune.get_masks(pruned(*arguments, **options))


@functools.cache
def plain_masks(method, grain="weight"):
    """Returns the masks of a method without a check, which tests share."""
    return masks(method, granularity=grain)


def counts(found):
    return {name: int(mask.sum()) for name, mask in found.items()}


def kernels(model):
    found = kprune.masking.weights.find(model)
    return {w.name: np.array(w.variable) for w in found}


GRAINS = [
    "weight",
    "channel",
    kprune.NM(1, 2),
    kprune.Block((4, 1)),
    kprune.Channel("l2", tied=False),
]


@pytest.mark.parametrize("grain", GRAINS, ids=str)
@pytest.mark.parametrize("check", ["shuffle", "random_same_counts"])
def test_a_shuffle_keeps_the_groups_of_each_layer(check, grain):
    plain = plain_masks("magnitude", grain)
    found = masks(sanity.checked("magnitude", check), granularity=grain)
    own, model = kprune.Pruner("magnitude", grain).grain, net()
    grouping = own.grouping(model, kprune.Objective(model).layouts)
    before, after = grouping.live(plain), grouping.live(found)
    assert counts(before) == counts(after)
    assert any((found[n] != plain[n]).any() for n in found)
    if not isinstance(grain, kprune.NM):  # Groups stay whole.
        whole = {n: np.ones_like(mask) for n, mask in found.items()}
        for name, mask in grouping.masks(after, whole).items():
            np.testing.assert_array_equal(mask, found[name])


def test_a_shuffle_of_n_of_m_is_n_of_m():
    found = masks(sanity.checked("magnitude", "shuffle"), granularity="1:2")
    mask = found["fc1/kernel"]
    np.testing.assert_array_equal(mask.reshape(-1, 2, 12).sum(1), 1)


def test_a_shuffle_brings_back_the_weights_as_they_were():
    original = kernels(net())
    shuffled = pruned(sanity.checked("snip", "shuffle"))
    found = kprune.get_masks(shuffled)
    for name, value in kernels(shuffled).items():
        expected = np.where(found[name], original[name], 0)
        np.testing.assert_array_equal(value, expected)


def test_the_two_shuffles_are_two_draws():
    one, other = (
        masks(sanity.checked("snip", check))
        for check in ("shuffle", "random_same_counts")
    )
    assert counts(one) == counts(other)
    assert kprune.masks.overlap(one, other) < 0.9


def test_a_shuffle_leaves_out_what_the_method_does():
    method = sanity.checked("magnitude", "shuffle")
    found = masks(method, exclude="fc2", seed=3)
    assert found["fc2/kernel"].all()
    again = masks(method, exclude="fc2", seed=3)
    assert kprune.masks.overlap(found, again) == 1
    other = masks(method, exclude="fc2", seed=4)
    assert kprune.masks.overlap(found, other) < 1


def test_a_shuffle_keeps_away_from_what_is_pruned_already():
    first = pruned("magnitude", 0.5)
    shuffled = sanity.checked("random", "shuffle")
    found = kprune.prune(first, shuffled, 0.8, verbose=0)
    before, after = kprune.get_masks(first), kprune.get_masks(found)
    total = sum(mask.size for mask in after.values())
    assert sum(counts(after).values()) == round(0.2 * total)
    assert not any((after[n] & ~before[n]).any() for n in after)


def shuffled_often(grain, model, times):
    """Returns how often each group of `a` is kept by a shuffle of half."""
    shuffled, kept = (
        sanity.checked(kprune.Pruner("magnitude", grain), "shuffle"),
        0,
    )
    objective = kprune.Objective(model, exclude=["b/kernel"])
    for objective.seed in range(times):
        kept = kept + shuffled.masks(objective, 0.5)["a/kernel"]
    return kept / times


def pair(inputs, units):
    return dense_net(inputs, units, 2, dropout=0, norm=False)


def test_blocks_are_as_likely_whatever_their_size():
    # Ten rows are two blocks of four and one of two. Half of 24 blocks.
    grain = kprune.Block((4, 1), reduce="sum")
    kept = shuffled_often(grain, pair(10, 8), 60)
    # By size, the halves would be kept with 0.05 and 0.72.
    np.testing.assert_allclose(kept[:8].mean(), 0.5, atol=0.05)
    np.testing.assert_allclose(kept[8:].mean(), 0.5, atol=0.1)


def test_channels_are_as_likely_whatever_is_left_of_them():
    model = kprune.wrap(pair(20, 8))
    found = kprune.get_masks(model)
    found["a/kernel"][5:, :4] = False
    kprune.set_masks(model, found)
    grain = kprune.Channel("sum", tied=False)
    kept = shuffled_often(grain, model, 40)[0]
    np.testing.assert_allclose(kept[:4].mean(), 0.5, atol=0.15)


@pytest.mark.parametrize(
    "method, grain",
    [
        ("grasp", "weight"),
        ("snip", "weight"),
        ("magnitude", "weight"),
        ("magnitude", kprune.NM(1, 2)),
    ],
    ids=str,
)
def test_an_inverted_ranking_is_the_complement(method, grain):
    plain = plain_masks(method, grain)
    found = masks(sanity.invert(method), granularity=grain)
    # At 50 % without ties, what one keeps the other removes.
    for name in plain:
        np.testing.assert_array_equal(found[name], ~plain[name])


def test_magnitude_inverted_keeps_the_smallest():
    plain, found = plain_masks("magnitude"), masks(sanity.invert("magnitude"))
    kept = [abs(v[found[n]]) for n, v in kernels(net()).items()]
    gone = [abs(v[plain[n]]) for n, v in kernels(net()).items()]
    assert np.concatenate(kept).max() < np.concatenate(gone).min()


def test_channels_of_the_smallest_norm_stay():
    # A norm of negated magnitudes would be the norm again.
    grain = kprune.Channel("l2", tied=False)
    options = {"granularity": grain, "exclude": "fc2", "allocation": "uniform"}
    plain = masks("magnitude", **options)
    inverted = sanity.invert("magnitude")
    found = masks(inverted, **options)
    for name in ("conv/kernel", "fc1/kernel"):
        np.testing.assert_array_equal(found[name], ~plain[name])
    norms = np.linalg.norm(kernels(net())["fc1/kernel"], axis=0)
    kept = found["fc1/kernel"].any(0)
    assert norms[kept].max() < norms[~kept].min()


def test_an_iterated_inversion_excludes_what_is_pruned():
    seen = []

    def spy(objective, weights, current):
        seen.append(current)
        # A pruned weight has the score 0, the lowest: it must not return.
        return {n: np.abs(w) * current[n] for n, w in weights.items()}

    pruner = kprune.Pruner(spy, schedule="exponential", rounds=4)
    found = masks(sanity.invert(pruner), 0.75)
    kept = [sum(counts(one).values()) for one in [*seen, found]]
    total = kept[0]
    assert kept == [round(total * 0.25 ** (i / 4)) for i in range(5)]
    for before, after in zip(seen, [*seen[1:], found], strict=True):
        assert not any((after[n] & ~before[n]).any() for n in after)
    # By rounds or at once, the smallest quarter stays.
    at_once = masks(sanity.invert("magnitude"), 0.75)
    assert kprune.masks.overlap(found, at_once) == 1


def test_new_weights_under_the_methods_masks():
    plain = pruned("magnitude")
    found = pruned(sanity.checked("magnitude", "reinitialize"))
    expected = kprune.get_masks(plain)
    assert kprune.masks.overlap(kprune.get_masks(found), expected) == 1
    before, after = kernels(plain), kernels(found)
    for name, mask in expected.items():
        assert (before[name][mask] != after[name][mask]).all()


def test_survivors_of_the_method_come_after_those_of_the_check():
    calls = []

    def look(model, seed):
        calls.append(kernels(model)["fc1/kernel"])

    pruner = kprune.Pruner("magnitude", after_pruning=look)
    found = pruned(sanity.checked(pruner, "reinitialize"))
    np.testing.assert_array_equal(calls[0], kernels(found)["fc1/kernel"])
    assert (calls[0] != kernels(pruned("magnitude"))["fc1/kernel"]).any()


def test_methods_in_turn_have_checks():
    hidden = (
        keras.layers.Dense(n, "relu", name=f"fc{i}")
        for i, n in ((1, 20), (2, 16))
    )
    model = sequential((50,), *hidden, keras.layers.Dense(3, name="out"))
    options = {"data": (DATA[0].reshape(30, 50), DATA[1]), "loss": CE}
    found = {None: kprune.prune(model, "ossum_norm", 0.5, **options, verbose=0)}
    for check in ("shuffle", "invert"):
        method = sanity.checked("ossum_norm", check)
        found[check] = kprune.prune(model, method, 0.5, **options, verbose=0)
    found = {check: kprune.get_masks(one) for check, one in found.items()}
    assert counts(found[None]) == counts(found["shuffle"])
    assert counts(found[None]) == counts(found["invert"])
    first = {check: one["fc1/kernel"].any(0) for check, one in found.items()}
    np.testing.assert_array_equal(first["invert"], ~first[None])
    assert (first["shuffle"] != first[None]).any()


def test_options_are_those_of_the_method_and_bad_ones_are_answered():
    one = masks(sanity.checked("grasp", "invert", absolute=True))
    other = masks(sanity.checked("grasp", "invert"))
    assert kprune.masks.overlap(one, other) < 1
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        sanity.checked("grasp", "invert", temperatur=1.0)
    with pytest.raises(ValueError, match="Did you mean 'shuffle'"):
        sanity.checked("snip", "shuffel")
    with pytest.raises(ValueError, match="prunes during training"):
        sanity.checked("gmp", "shuffle")


def test_a_shuffle_is_refused_while_a_model_trains():
    model = kprune.wrap(net())
    model.compile("sgd", CE)
    shuffled = sanity.checked("magnitude", "shuffle")
    callback = kprune.callbacks.GradualPruning(
        shuffled, sparsity=0.5, begin=0, end=2, every=1
    )
    with pytest.raises(ValueError, match="prunes before training"):
        model.fit(*DATA, epochs=3, callbacks=[callback], verbose=0)
