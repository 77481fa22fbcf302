"""Pooling scores to groups and expanding groups to masks."""

import numpy as np
import pytest

from kprune.masking.layouts import Layout
from kprune.pruning import granularity


def layout(shape, outputs=None, inputs=None, view=None):
    view = view or shape
    outputs, inputs = outputs or (len(view) - 1,), inputs or (len(view) - 2,)
    return Layout(shape, view, outputs, inputs)


def pool(grain, scores, alive=None, grouped=None):
    """Returns the scores of the groups of a weight."""
    scores = np.array(scores, float)
    alive = np.broadcast_to(True if alive is None else alive, scores.shape)
    grouped = grouped or layout(scores.shape)
    return grain.pool(scores, alive, grouped, np.random.default_rng(0))


def test_weight_is_its_own_group():
    scores = np.arange(6.0).reshape(2, 3)
    alive = np.array([[True, False, True], [True, True, True]])
    grain = granularity.get("weight")
    np.testing.assert_array_equal(pool(grain, scores, alive), scores)
    for same in (grain.live, grain.expand):
        np.testing.assert_array_equal(same(alive, layout((2, 3))), alive)


@pytest.mark.parametrize(
    "reduce, expected",
    [
        ("mean", [2, 3]),
        ("sum", [4, 6]),
        ("max", [3, 4]),
        # sqrt(1 + 9), sqrt(4 + 16).
        ("l2", [np.sqrt(10), np.sqrt(20)]),
    ],
)
def test_channel_reduces_over_all_inputs(reduce, expected):
    pooled = pool(granularity.Channel(reduce=reduce), [[1, 2], [3, 4]])
    np.testing.assert_allclose(pooled, expected)


def test_channel_of_a_dead_slice_is_out_of_the_race():
    alive = np.array([[True, False], [False, False]])
    grain = granularity.Channel(reduce="sum")
    live = grain.live(alive, layout((2, 2)))
    np.testing.assert_array_equal(live, [True, False])
    # What is pruned in a channel does not count for it.
    pooled = pool(grain, [[1, 2], [4, 8]], alive)
    np.testing.assert_array_equal(pooled, [1, 0])


def test_channel_of_a_recurrent_kernel_is_a_unit_with_its_gates():
    # An LSTM kernel of 1 input and 2 units: columns i0 i1 f0 f1 c0 c1 o0 o1.
    lstm = layout((1, 8), view=(1, 4, 2), outputs=(2,), inputs=(0,))
    grain = granularity.Channel(reduce="sum")
    pooled = pool(grain, [[1, 0, 2, 0, 3, 0, 4, 8]], grouped=lstm)
    np.testing.assert_array_equal(pooled, [10, 8])
    mask = grain.expand(np.array([True, False]), lstm)
    np.testing.assert_array_equal(mask, [[True, False] * 4])


def test_channel_of_a_depthwise_kernel_counts_channel_and_multiplier():
    depthwise = layout((2, 2, 3, 2), outputs=(2, 3), inputs=(2,))
    scores = np.arange(24.0).reshape(2, 2, 3, 2)
    grain = granularity.Channel(reduce="mean")
    pooled = pool(grain, scores, grouped=depthwise)

    # Positions of the window are 6 apart: the mean is the first plus 9.
    np.testing.assert_array_equal(pooled, [[9, 10], [11, 12], [13, 14]])
    mask = grain.expand(pooled > 11, depthwise)
    assert mask.shape == scores.shape and mask.sum() == 3 * 4


def test_nm_ranks_each_run_of_inputs_by_itself_and_puts_dead_weights_last():
    # Two outputs, four inputs; columns are the runs.
    pooled = pool(granularity.NM(2, 4), [[4, 1], [3, 2], [2, 3], [1, 4]])
    expected = [[0, -3], [-1, -2], [-2, -1], [-3, 0]]
    np.testing.assert_array_equal(pooled, expected)
    alive = [[False], [True], [True], [True]]
    pooled = pool(granularity.NM(2, 4), [[4], [3], [2], [1]], alive)
    np.testing.assert_array_equal(pooled, [[-3], [0], [-1], [-2]])


def test_nm_runs_along_the_input_channels_of_a_convolution():
    kernel = layout((3, 3, 8, 5))
    scores = np.random.default_rng(0).random((3, 3, 8, 5))
    grain = granularity.NM(2, 4)
    pooled = pool(grain, scores)
    mask = grain.expand(pooled > -2, kernel)

    runs = mask.reshape(3, 3, 2, 4, 5).sum(axis=3)
    assert (runs == 2).all()
    grain.check(mask, kernel)
    mask[0, 0, :4, 0] = True
    with pytest.raises(ValueError, match="are not 2:4"):
        grain.check(mask, kernel)


def test_nm_says_which_weights_do_not_fit():
    grain = granularity.NM(2, 4)
    assert grain.unfit(layout((8, 3))) is None
    assert "not a multiple of 4" in grain.unfit(layout((9, 3)))
    depthwise = layout((3, 3, 8, 1), outputs=(2, 3), inputs=(2,))
    assert "no input axis" in grain.unfit(depthwise)


@pytest.mark.parametrize("n, m", [(4, 4), (0, 4), (5, 4), (1.5, 4)])
def test_nm_refuses_patterns_that_are_none(n, m):
    with pytest.raises(ValueError, match=r"argument `[nm]`.*integer >= "):
        granularity.NM(n, m)


def test_block_takes_the_mean_and_copes_with_edges():
    grain = granularity.Block((2, 2))
    pooled = pool(grain, [[1, 2, 3], [5, 6, 7], [9, 10, 30]])
    # (1+2+5+6)/4, (3+7)/2, (9+10)/2, 30.
    np.testing.assert_array_equal(pooled, [[3.5, 5], [9.5, 30]])
    mask = grain.expand(np.eye(2, dtype=bool), layout((3, 3)))
    np.testing.assert_array_equal(mask, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    # A block of four inputs lies along them. Column 0 holds 0 2 4 6 | 8 ...
    pooled = pool(granularity.Block((4, 1)), np.arange(16.0).reshape(8, 2))
    np.testing.assert_array_equal(pooled, [[3, 4], [11, 12]])


@pytest.mark.parametrize(
    "reduce, expected", [("mean", 1), ("sum", 2), ("max", 2), ("l2", 2)]
)
def test_block_counts_its_live_weights_alone(reduce, expected):
    alive = np.array([[True], [False], [False], [False]])
    grain = granularity.Block((2, 1), reduce=reduce)
    assert pool(grain, [[2], [9], [9], [9]], alive)[0, 0] == expected
    live = grain.live(alive, layout((4, 1)))
    np.testing.assert_array_equal(live, [[True], [False]])


def test_a_kernel_is_the_window_between_two_channels():
    scores = np.arange(24.0).reshape(2, 2, 3, 2)
    # Places of the window are 6 apart: the mean is the first plus 9.
    grain = granularity.get("kernel")
    pooled = pool(grain, scores)
    np.testing.assert_array_equal(pooled, scores[0, 0] + 9)
    mask = grain.expand(pooled > 11, layout(scores.shape))
    assert mask.shape == scores.shape
    np.testing.assert_array_equal(mask, np.tile(pooled > 11, (2, 2, 1, 1)))
    # What is pruned in a kernel does not count for it; none is out.
    alive = scores < 7
    largest = pool(granularity.Kernel("max"), scores, alive)
    assert largest[0, 0] == 6 and (largest.ravel()[1:] == range(1, 6)).all()
    live = grain.live(scores < 3, layout(scores.shape))
    np.testing.assert_array_equal(live.ravel(), [1, 1, 1, 0, 0, 0])
    outputs = grain.outputs(layout(scores.shape))
    np.testing.assert_array_equal(outputs, [[0, 1]] * 3)


def test_kernels_of_other_layouts():
    depthwise = layout((2, 2, 3, 2), outputs=(2, 3), inputs=(2,))
    grain = granularity.Kernel("sum")
    scores = np.ones((2, 2, 3, 2))
    np.testing.assert_array_equal(
        pool(grain, scores, grouped=depthwise), np.full((3, 2), 4)
    )
    # Without a window each weight is a group, also in the gates of an LSTM.
    lstm = layout((1, 8), view=(1, 4, 2), outputs=(2,), inputs=(0,))
    one = np.arange(8.0)[np.newaxis]
    np.testing.assert_array_equal(
        pool(grain, one, grouped=lstm).ravel(), one[0]
    )
    np.testing.assert_array_equal(pool(grain, [[1, 2]]), [[1, 2]])


@pytest.mark.parametrize("shape", [(0, 1), (4,), (1, 2, 3), (1.5, 2)])
def test_block_refuses_bad_shapes(shape):
    with pytest.raises(ValueError, match="two integers"):
        granularity.Block(shape)


def test_get_by_name_pattern_and_object():
    assert granularity.get("channel") == granularity.Channel()
    assert granularity.get("2:4") == granularity.NM(2, 4)
    block = granularity.Block((1, 8))
    assert granularity.get(block) is block
    with pytest.raises(ValueError, match="Did you mean 'channel'"):
        granularity.get("chanel")
    with pytest.raises(ValueError, match="reduction"):
        granularity.Channel(reduce="median")
