"""Two replicas and two workers score as one device does."""

import contextlib

import cluster
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, two_replicas
from scored_on_replicas import ON_WORKERS, halves, measure, model, whole

import kprune
from kprune.runtime import distribution


def assert_alike(found, expected):
    assert set(found) == set(expected)
    scores = [name for name in expected if " scores " in name]
    for method in {name.split()[0] for name in scores}:
        names = [name for name in scores if name.startswith(f"{method} ")]
        assert len(names) == 3
        largest = max(np.abs(expected[name]).max() for name in names)
        for name in names:
            error = np.abs(found[name] - expected[name]).max()
            assert error <= 1e-6 * largest, name
            assert largest > 0
    for name in set(expected) - set(scores):
        np.testing.assert_array_equal(found[name], expected[name], name)


@pytest.fixture(scope="module")
def expected():
    """What one device finds on the halves."""
    return measure(model(batch_norm=True), halves(), *ON_WORKERS)


@pytest.mark.parametrize(
    "inside", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_two_replicas_score_as_one_device_on_the_halves(inside, expected):
    strategy = two_replicas()
    with strategy.scope():
        network = model(batch_norm=True)
    with strategy.scope() if inside else contextlib.nullcontext():
        found = measure(network, whole(), *ON_WORKERS)
    assert_alike(found, expected)


def test_shares_count_by_their_size():
    network = model(False)
    with two_replicas().scope():
        mirrored = model(False)
    ((x, y),) = whole()
    for count in (1, 7):  # Of one example, a replica has none.
        data = (x[:count], y[:count])
        one = kprune.score(network, "snip", data=data, loss=CE)
        two = kprune.score(mirrored, "snip", data=data, loss=CE)
        for name in one:
            np.testing.assert_allclose(two[name], one[name], atol=1e-7)


def test_a_pruned_model_of_two_replicas_has_the_same_masks_on_both():
    strategy = two_replicas()
    with strategy.scope():
        mirrored = model(False)
    pruned = kprune.prune(mirrored, "snip", 0.9, data=whole(), loss=CE)
    with strategy.scope():
        pruned.compile("adam", CE)
    pruned.fit(*whole()[0], batch_size=8, verbose=0)
    for weight in kprune.masking.weights.find(pruned):
        masks = [v.numpy() for v in weight.mask.value.values]
        values = [v.numpy() for v in weight.variable.value.values]
        assert len(masks) == 2
        np.testing.assert_array_equal(*masks)
        np.testing.assert_array_equal(*values)
        assert not values[0][~masks[0]].any()


def test_a_distributed_data_set_is_refused_with_the_way_around():
    strategy = two_replicas()
    dataset = tf.data.Dataset.from_tensors(whole()[0])
    with strategy.scope():
        mirrored = model(False)
    data = strategy.experimental_distribute_dataset(dataset)
    with pytest.raises(ValueError, match="experimental_distribute_dataset"):
        kprune.prune(mirrored, "snip", 0.9, data=data, loss=CE)


def test_checksums_tell_arrays_apart():
    masks = {"a": np.ones((2, 3), bool), "b": np.zeros(4, bool)}
    other = {"a": np.ones((3, 2), bool), "b": np.zeros(4, bool)}
    again = {"a": np.ones((2, 3), bool), "b": np.zeros(4, bool)}
    assert distribution.checksum(masks) == distribution.checksum(again)
    assert distribution.checksum(masks) != distribution.checksum(other)
    again["b"][2] = True
    assert distribution.checksum(masks) != distribution.checksum(again)


def run_two_workers(tmp_path, seeds):
    """Runs two processes as workers and returns what each wrote."""
    paths = [tmp_path / f"worker{index}.npz" for index in range(2)]
    given = [(path, seeds) for path in paths]
    cluster.run("tests/support/scored_on_replicas.py", *given)
    return [dict(np.load(path)) for path in paths]


def test_two_workers_score_as_one_device_on_the_halves(tmp_path, expected):
    for found in run_two_workers(tmp_path, "same"):
        assert_alike(found, expected)


@pytest.mark.slow
def test_workers_that_read_different_data_are_told(tmp_path):
    for found in run_two_workers(tmp_path, "other"):
        assert "read different batches" in str(found["error"])
