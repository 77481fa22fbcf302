import numpy as np
import tensorflow as tf

from kprune.datasets import randomness

KEY = tf.constant([3, 4], tf.int64)


def read(keys):
    return [tuple(key) for key in keys.as_numpy_iterator()]


def test_each_reading_of_the_key_gives_the_next_one_of_all():
    key = randomness.key_of_the_pass(seed=1)
    passes = [read(key) for _ in range(4)]
    tf.random.set_seed(9)  # Must not matter.
    keys = randomness.keys_of_all_passes(seed=1)
    assert [[k] for k in read(keys.take(4))] == passes
    assert [[k] for k in read(keys.skip(2).take(2))] == passes[2:]
    # Two passes or two seeds have no number in common.
    others = read(randomness.keys_of_all_passes(seed=2).take(4))
    assert len({n for (k,) in passes for n in k} | {*sum(others, ())}) == 16


def test_permutations_are_all_as_likely():
    seen = {}
    for k in range(600):
        key = tf.random.fold_in(KEY, k)
        order = tuple(randomness.permutation(3, key).numpy())
        seen[order] = seen.get(order, 0) + 1
    # 600 / 6 = 100 of each, give or take 9.
    assert len(seen) == 6
    assert all(60 < count < 140 for count in seen.values())


def test_shuffled_follows_its_key_alone_and_keeps_the_structure():
    pairs = tf.data.Dataset.from_tensor_slices(
        ({"a": np.arange(50), "b": np.eye(50, 2)}, np.arange(50))
    )

    def shuffle(key):
        shuffled = randomness.shuffled(pairs, 50, key)
        assert shuffled.element_spec == pairs.element_spec
        assert len(shuffled) == 50
        for features, index in shuffled.as_numpy_iterator():
            assert features["a"] == index
            np.testing.assert_array_equal(features["b"], np.eye(50, 2)[index])
        return [int(index) for _, index in shuffled.as_numpy_iterator()]

    once = shuffle(KEY)
    tf.random.set_seed(9)  # Must not matter.
    assert shuffle(KEY) == once
    assert sorted(once) == list(range(50)) != once
    assert shuffle(KEY + [1, 0]) != once
    assert shuffle(KEY + [0, 1]) != once
