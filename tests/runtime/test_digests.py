"""Digests of arrays and of training data."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from kprune.runtime import digests

X = np.arange(6, dtype="float32").reshape(2, 3)


def test_a_digest_is_that_of_names_types_shapes_and_values():
    expected = hashlib.sha256(b"a float32 (2, 3)\n" + X.tobytes()).hexdigest()
    assert digests.of_arrays({"a": X}) == expected
    # Not the order in memory.
    assert digests.of_arrays({"a": np.asfortranarray(X)}) == expected


@pytest.mark.parametrize(
    "other",
    [
        {"b": X},
        {"a": X.astype("float64")},
        {"a": X.reshape(3, 2)},
        {"a": -X},
        {"a": X, "b": X},
    ],
)
def test_other_arrays_have_other_digests(other):
    assert digests.of_arrays(other) != digests.of_arrays({"a": X})


def test_the_order_of_pairs_counts_and_that_of_a_dict_does_not():
    pairs = [("b", X), ("a", -X)]
    assert digests.of_arrays(dict(pairs)) == digests.of_arrays(pairs[::-1])
    assert digests.of_arrays(pairs) != digests.of_arrays(pairs[::-1])


def test_data_are_known_by_values_or_by_what_their_batches_are():
    y = np.array([0, 1])
    assert digests.of_data((X, y)) == digests.of_data((X.copy(), y))
    assert digests.of_data((X, y)) != digests.of_data((X, 1 - y))
    ragged = [
        tf.ragged.constant(rows) for rows in ([[1], [2, 3]], [[1, 2], [3]])
    ]
    assert digests.of_data(ragged[0]) != digests.of_data(ragged[1])
    data = tf.data.Dataset.from_tensor_slices((X, y)).batch(1)
    assert digests.of_data(data) != digests.of_data(data.take(1))
    assert digests.of_data(lambda step: data) == str(data.element_spec)
