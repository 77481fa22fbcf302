"""PHEW's random walks: by hand, by their frequencies, and whole paths."""

import keras
import numpy as np
import pytest
from networks import conv_net, sequential

import kprune
from kprune.graph.random_walks import Draws, RandomWalks


def dense(*kernels):
    layers = [
        keras.layers.Dense(len(k[0]), use_bias=False, name=name)
        for name, k in zip("ab", kernels, strict=True)
    ]
    return sequential((len(kernels[0]),), *layers, values=kernels)


def test_a_walk_goes_where_weights_are_large():
    # From input 0 there is one way, to output 1; from output 0 back as well.
    model = dense([[-5.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [-7.0, 0.0]])
    found = kprune.score(model, "phew", passed=0.5)
    # In the order of the walks: a_00, b_01, then b_10, a_11; of 8 weights.
    ranks = {"a": [[0, 8], [8, 3]], "b": [[8, 1], [2, 8]]}
    for name, rank in ranks.items():
        rank = np.array(rank)
        expected = np.where(rank < 8, 2 - rank / 8, 0)
        np.testing.assert_allclose(found[f"{name}/kernel"], expected)


def test_draws_are_in_proportion_to_sizes():
    begins, ends = np.array([0, 2, 2, 2, 0, 1]), np.array([0, 1, 3, 0, 2, 2])
    sizes = np.array([3.0, 0.0, 2.0, 6.0, 1.0, 0.0])
    draws = Draws(begins, ends, sizes, np.arange(6), 4)
    rng = np.random.default_rng(0)
    end, entry = draws(np.repeat([0, 1, 2, 3], 20_000), rng)
    end, entry = end.reshape(4, -1), entry.reshape(4, -1)
    # Four standard deviations of a share of 3/4 in 20,000 are 0.0122.
    assert np.mean(end[0] == 0) == pytest.approx(0.75, abs=0.0123)
    assert np.mean(end[2] == 0) == pytest.approx(0.75, abs=0.0123)
    assert set(entry[0]) == {0, 4} and set(entry[2]) == {2, 3}
    # The only way is drawn though it has no size; 3 has no way at all.
    assert set(end[1]) == {2} and set(end[3]) == {-1}


def test_a_convolution_and_what_is_flat():
    model = sequential(
        (2, 2, 1),
        keras.layers.Conv2D(2, (1, 2), padding="same", name="c"),
        keras.layers.Flatten(),
        keras.layers.Dense(1, name="d"),
    )
    kernel = np.zeros((1, 2, 1, 2))
    kernel[0, :, 0, 0], kernel[0, :, 0, 1] = [1, 2], [0, 5]
    # Of the 8 flat units the odd ones are of channel 1; all have weights.
    sizes = {"c/kernel": kernel, "d/kernel": np.ones((8, 1))}
    walks = RandomWalks(model, sizes)
    moves, entries = walks(np.arange(40_000), np.random.default_rng(1))
    of_c = np.array(walks.names)[moves] == "c/kernel"
    assert of_c.sum() == (~of_c).sum() == 40_000
    onward = entries[of_c][::2]  # Even turns: 1/8, 0, 2/8 and 5/8.
    share = np.bincount(onward, minlength=4) / len(onward)
    np.testing.assert_allclose(share, [1 / 8, 0, 2 / 8, 5 / 8], atol=0.0137)
    # A walk that is at channel 0 goes on through an even unit.
    channel, unit = onward % 2, entries[~of_c][::2]
    np.testing.assert_array_equal(unit % 2, channel)
    # Back: all 8 units alike, then 1/3 and 2/3, or the one entry of size 5.
    back = entries[of_c][1::2]
    np.testing.assert_array_equal(back % 2, entries[~of_c][1::2] % 2)
    share = np.bincount(back, minlength=4) / len(back)
    np.testing.assert_allclose(share, [1 / 6, 0, 1 / 3, 1 / 2], atol=0.0142)


def test_what_is_kept_is_on_whole_paths_through_branches():
    inputs = x = keras.Input((6, 6, 3))
    for name in "ab":
        x = keras.layers.Conv2D(
            4, 3, padding="same", activation="relu", name=name
        )(x)
        aside = keras.layers.Conv2D(4, 1, name=f"{name}1")(x)
        x = keras.layers.Add()([x, aside])
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="last")(x))
    for one in (model, conv_net((6, 6, 2))):
        report = kprune.report(kprune.prune(one, "phew", 0.8, seed=3))
        assert report.sparsity == pytest.approx(0.8, abs=0.001)
        # The last walk may be cut.
        assert report.kept - report.effective_kept <= 5
        assert not report.collapsed


def test_weights_that_are_left_out_are_walked_through():
    pruned = kprune.prune(conv_net((6, 6, 2)), "phew", 0.8, exclude="fc1")
    masks = kprune.get_masks(pruned)
    assert masks["fc1/kernel"].all()
    assert 0 < masks["conv/kernel"].sum() < 72


def test_what_no_walk_has_passed_ranks_behind_by_its_size():
    model = dense([[5.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [7.0, 0.0]])
    pruned = kprune.prune(model, "phew", 0.5)
    found = kprune.score(pruned, "phew", passed=1.0)
    assert all(
        (s[m] >= 1).all()
        for s, m in zip(
            found.values(), kprune.get_masks(pruned).values(), strict=True
        )
    )


def test_other_layers_are_refused():
    lstm = sequential((4, 3), keras.layers.LSTM(2, name="lstm"))
    with pytest.raises(ValueError, match=r"PHEW walks.*'lstm'"):
        kprune.prune(lstm, "phew", 0.5)
    with pytest.raises(ValueError, match="`passed`"):
        kprune.score(conv_net((6, 6, 2)), "phew", passed=0)
