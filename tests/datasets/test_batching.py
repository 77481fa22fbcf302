"""`start` and `shard`: where a run is, and whose share of a batch."""

import itertools
import time

import numpy as np
import pytest
import tensorflow as tf
from pipelines import Cifar, assert_same_batches

import kprune.datasets
from kprune.datasets import memory, storage
from kprune.datasets.batching import Batching


@pytest.fixture(autouse=True)
def builder(monkeypatch):
    monkeypatch.setattr(storage, "builder", lambda *_: Cifar(200, 20))


def load(**options):
    """Training batches of 60 augmented images: 60, 60, 60 and 20 a pass."""
    options = {"batch_size": 60, "seed": 5, **options}
    return kprune.datasets.load("cifar10", **options)


def batches(dataset, count):
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def run(passes=3, **options):
    """What a run reads that is never interrupted."""
    train, *_ = load(**options)
    return [batch for _ in range(passes) for batch in train.as_numpy_iterator()]


@pytest.mark.parametrize(
    ("starts", "options"),
    [
        ((0, 2, 3, 4, 7), {}),
        ((2, 7), {"drop_remainder": True}),
        ((4,), {"validation": 0.1}),
    ],
)
def test_a_run_that_starts_later_reads_what_it_would_have_read(starts, options):
    expected = run(**options)
    for start in starts:
        tf.random.set_seed(start)  # Must not matter.
        train, *_ = load(**options, start=start)
        left = len(expected) - start
        assert_same_batches(batches(train, left), expected[start:])


def test_the_endless_set_begins_at_its_start_each_time_it_is_read():
    train, _ = load(start=5)
    once = batches(train, 6)
    assert_same_batches(batches(train, 6), once)
    assert_same_batches(batches(train.take(2), 2), once[:2])


def test_the_endless_set_says_so_and_the_others_know_their_size():
    assert len(load()[0]) == 4
    assert len(load(drop_remainder=True)[0]) == 3
    assert len(load(shard=(0, 2))[0]) == 4
    assert load(start=3)[0].cardinality() == tf.data.INFINITE_CARDINALITY
    train, _ = load(drop_remainder=True, shard=(0, 3))
    assert train.element_spec[0].shape == (20, 32, 32, 3)


def test_whole_passes_are_jumped_over():
    begin = time.perf_counter()
    # 100,000 passes lie behind. To read one takes some 5 ms, in all minutes.
    batches(load(start=400_000)[0], 1)
    assert time.perf_counter() - begin < 20


def test_images_of_the_pass_that_lie_behind_are_not_gathered(monkeypatch):
    augmented = []

    def record(images, draw, shard):
        def note(images):
            augmented.append(images.tobytes())
            return images

        result = tf.numpy_function(note, [images], tf.uint8)
        return tf.ensure_shape(result, images.shape)

    monkeypatch.setattr(memory, "crop_and_flip", record)
    train, _ = load(batch_size=1, normalization=None, start=199)
    ((x, _),) = batches(train, 1)
    # Not the 200th; some are read ahead of it, in no certain order.
    assert augmented.index(x.astype(np.uint8).tobytes()) < 100


@pytest.mark.parametrize(
    ("count", "options"),
    [(5, {}), (2, {"start": 3}), (2, {"drop_remainder": True})],
)
def test_shares_are_the_rows_of_the_whole_batch(count, options):
    # A pass ends with a batch of 20, or 4 for each of 5.
    whole = batches(load(**options)[0], 3)
    shares = [
        batches(load(**options, shard=(index, count))[0], 3)
        for index in range(count)
    ]
    for step, (_, y) in enumerate(whole):
        rows = len(y) // count
        assert [len(share[step][1]) for share in shares] == [rows] * count
    joined = [
        [np.concatenate(parts) for parts in zip(*step, strict=True)]
        for step in zip(*shares, strict=True)
    ]
    assert_same_batches(joined, whole)


def test_shares_follow_the_whole_over_passes():
    whole = run(validation=0.1)
    # 180 images: three batches of 60, so no remainder to share.
    share = run(validation=0.1, shard=(2, 3))
    assert_same_batches(share, [(x[40:], y[40:]) for x, y in whole])


def test_validation_and_test_are_whole_on_each_worker():
    expected = load(validation=0.25)[1:]
    parts = load(validation=0.25, shard=(1, 2), start=9)[1:]
    for part, other, size in zip(parts, expected, (50, 20), strict=True):
        part, other = (list(p.as_numpy_iterator()) for p in (part, other))
        assert_same_batches(part, other)
        assert sum(len(y) for _, y in part) == size


def test_two_replicas_are_given_the_halves_of_each_batch():
    expected = run(passes=2)
    train, _ = load()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    seen = []
    for _ in range(2):
        for x, y in strategy.experimental_distribute_dataset(train):
            x, y = map(strategy.experimental_local_results, (x, y))
            assert len(y[0]) == len(y[1])
            seen.append((np.concatenate(x), np.concatenate(y)))
    assert_same_batches(seen, expected)


def test_which_places_of_a_pass_are_in_a_share():
    # Places 0-3, 4-7 and 8-9 are batches; of each the second half is held.
    batching = Batching(size=10, batch_size=4, shard=(1, 2))
    places = tf.range(10, dtype=tf.int64)
    held = [int(place) for place in places if batching.holds(place)]
    assert held == [2, 3, 6, 7, 9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -1}, "`start`. Expected an integer >= 0, a step"),
        ({"start": 0.5}, "`start`. Expected an integer >= 0, a step"),
        ({"shard": 1}, r"`shard`. Expected \(index, count\)"),
        ({"shard": (2, 2)}, "`shard`. Expected"),
        ({"shard": (0, 0)}, "`shard`. Expected"),
        ({"shard": (-1, 2)}, "`shard`. Expected"),
        ({"shard": (0.0, 2)}, "`shard`. Expected"),
        ({"shard": (0, 7)}, "multiple of their number, 7. Received: b.*=60"),
        # The last batch of a pass holds 200 - 3 * 60 = 20 images.
        ({"shard": (0, 3)}, "holds 20 of the 200 .* by 3 workers. Pass `drop"),
    ],
)
def test_errors_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)
