"""Corrupted data: what is spoiled, and what is not."""

import numpy as np
import pytest
import tensorflow as tf

from kprune.analysis import sanity


def arrays(count=40):
    """Images whose pixels and labels tell which ones they are."""
    x = np.arange(count * 12, dtype="float32").reshape(count, 2, 3, 2)
    return x, np.arange(count)


def as_set(dataset):
    parts = list(zip(*dataset.as_numpy_iterator(), strict=True))
    return tuple(np.concatenate(part) for part in parts)


def in_batches(size, count=40):
    return tf.data.Dataset.from_tensor_slices(arrays(count)).batch(size)


def test_labels_are_permuted_and_images_stay():
    x, y = arrays()
    one, other = sanity.corrupt((x, y), "labels", seed=1)
    np.testing.assert_array_equal(one, x)
    assert (other != y).any()
    np.testing.assert_array_equal(np.sort(other), y)


def test_pixels_move_with_their_channels_image_by_image():
    x, y = arrays()
    one, other = sanity.corrupt((x, y), "pixels", seed=1)
    np.testing.assert_array_equal(other, y)
    assert (one != x).any()
    pixels, before = one.reshape(40, 6, 2), x.reshape(40, 6, 2)
    np.testing.assert_array_equal(pixels[..., 1] - pixels[..., 0], 1)
    order = np.argsort(pixels[..., 0], axis=1)
    moved = np.take_along_axis(pixels, order[..., None], axis=1)
    np.testing.assert_array_equal(moved, before)
    assert len({tuple(row) for row in order}) > 1  # Each by itself.


def test_features_without_channels_are_permuted():
    x = np.arange(30.0).reshape(3, 10)
    one, _ = sanity.corrupt((x, np.zeros(3)), "pixels")
    assert (one != x).any()
    np.testing.assert_array_equal(np.sort(one, axis=1), x)


def test_half_the_examples_are_left_with_their_labels():
    x, y = arrays(41)
    weight = y + 0.5
    one, other, theirs = sanity.corrupt((x, y, weight), "half", seed=1)
    assert len(one) == len(other) == len(set(other)) == 20
    np.testing.assert_array_equal(one, x[other])
    np.testing.assert_array_equal(theirs, other + 0.5)


@pytest.mark.parametrize("how", ["labels", "pixels", "half"])
def test_a_data_set_is_corrupted_batch_by_batch_the_same_each_time(how):
    given = in_batches(10)
    found = sanity.corrupt(given, how, seed=1)
    assert isinstance(found, tf.data.Dataset)
    assert found.cardinality() == given.cardinality() > 0
    x, y = as_set(found)
    for one, again in zip((x, y), as_set(found), strict=True):
        np.testing.assert_array_equal(one, again)
    whole, labels = as_set(given)
    if how == "half":
        assert len(y) == 20
        np.testing.assert_array_equal(x, whole[y])
        assert [len(batch) for _, batch in found] == [5, 5, 5, 5]
        return
    assert (x == whole).all() == (how == "labels")
    assert (y == labels).all() == (how == "pixels")
    np.testing.assert_array_equal(np.sort(y), labels)
    # Within the batch, and not alike in all of them.
    np.testing.assert_array_equal(y // 10, labels // 10)
    if how == "labels":
        assert len({tuple(part % 10) for part in np.split(y, 4)}) == 4


def test_a_generator_stays_one_and_is_not_read_before():
    read = []

    def batches():
        for start in (0, 10):
            read.append(start)
            yield arrays()[0][start : start + 10], arrays()[1][:10]

    found = sanity.corrupt(batches(), "labels")
    assert read == []
    assert len(list(found)) == 2


def test_several_inputs_and_outputs_stay_together():
    x, y = arrays()
    inputs = {"image": x, "number": np.stack([y, y], 1)}
    one, other = sanity.corrupt((inputs, [y, y + 100]), "half", seed=1)
    np.testing.assert_array_equal(one["number"][:, 0], other[0])
    np.testing.assert_array_equal(other[1], other[0] + 100)
    _, labels = sanity.corrupt((inputs, [y, y + 100]), "labels", seed=1)
    np.testing.assert_array_equal(labels[1], labels[0] + 100)


@pytest.mark.parametrize(
    ("data", "how", "expected"),
    [
        (arrays(), "label", "Did you mean 'labels'"),
        (arrays()[0], "labels", "Received: ndarray"),
        ((arrays()[0],), "labels", "Expected each batch of `data`"),
        (arrays(1), "labels", "a batch of one"),
        ((np.arange(4.0), np.arange(4)), "pixels", "two dimensions"),
        ((np.float32(1), 2), "half", "single examples"),
    ],
)
def test_bad_input_is_answered(data, how, expected):
    with pytest.raises(ValueError, match=expected):
        sanity.corrupt(data, how)
