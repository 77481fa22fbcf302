"""Strategies by name, and what stands in their way."""

import json
import socket

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import normal
from networks import sequential

import kprune
from kprune.runtime import cluster, keras_internals


def test_strategies_by_name():
    assert kprune.training.strategy("none") is tf.distribute.get_strategy()
    mirrored = kprune.training.strategy("mirrored")
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
    assert mirrored.num_replicas_in_sync == 2  # All logical devices.
    with pytest.raises(ValueError, match="Did you mean 'mirrored'"):
        kprune.training.strategy("miror")


def test_a_strategy_without_devices_is_refused(monkeypatch):
    devices = {"CPU": tf.config.list_logical_devices("CPU")[:1]}
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: devices.get(kind, [])
    )
    with pytest.raises(ValueError, match=r"several logical CPU.*CPU:0"):
        kprune.training.strategy("mirrored")
    with pytest.raises(ValueError, match="found no TPU"):
        kprune.training.strategy("tpu")


@pytest.fixture
def strategies():
    """One device, and two replicas."""
    return map(kprune.training.strategy, ("none", "mirrored"))


def test_fit_on_two_replicas_reads_what_one_device_reads(strategies):
    found = []
    for strategy in strategies:
        keras.utils.set_random_seed(0)
        with strategy.scope():
            layers = [keras.layers.Dense(30, name=name) for name in "ab"]
            model = sequential((20,), *layers)
        model = kprune.prune(model, "random", 0.8)
        with strategy.scope():
            model.compile("sgd", loss="mean_squared_error")
        x, y = normal(128, 20), normal(128, 30)
        data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(128, seed=1)
        rigl = kprune.callbacks.DynamicSparseTraining("rigl", every=2, end=8)
        model.fit(data.batch(16), callbacks=[rigl], verbose=0)
        found.append((kprune.get_masks(model), model.get_weights()))
    (masks, weights), (others, other_weights) = found
    for name, mask in masks.items():
        np.testing.assert_array_equal(others[name], mask, err_msg=name)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_fit_begins_no_pass_but_those_it_trains_on(strategies):
    for strategy in strategies:
        begun = []

        def pairs(begun=begun):
            begun.append(len(begun))
            yield from [(np.ones((4, 3)), np.ones((4, 2)))] * 3

        kinds = [tf.TensorSpec((4, n)) for n in (3, 2)]
        data = tf.data.Dataset.from_generator(
            pairs, output_signature=tuple(kinds)
        ).apply(tf.data.experimental.assert_cardinality(3))
        with strategy.scope():
            model = sequential((3,), keras.layers.Dense(2))
            model.compile("sgd", loss="mean_squared_error", metrics=["mae"])
        model.fit(data, epochs=2, verbose=0)
        model.evaluate(data, verbose=0)
        assert begun == [0, 1, 2], strategy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, '
        '"task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, '
        '"task": {"type": "chief", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"index": "one"}}',
        '{"cluster": ["a:1"], "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_wrong_cluster_is_answered(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r'TF_CONFIG[\s\S]*"host1:12345"'):
        kprune.training.strategy("multi_worker")


@pytest.mark.parametrize(
    "jobs, words",
    [
        ({"worker": "a:1"}, "Expected 'worker' to be a list of addresses"),
        ({"worker": ["a:99999"]}, "a port from 1 to 65535, not 'a:99999'"),
        ({"worker": ["a:0"]}, "not 'a:0'"),
        ({"worker": ["a:-1"]}, "not 'a:-1'"),
        ({"worker": ["a"]}, "addresses of a host and a port"),
        ({"worker": [":1"]}, "not ':1'"),
        ({"worker": [1]}, "not 1"),
        ({"worker": ["a:1", "a:1"]}, "twice 'a:1'"),
        ({"worker": ["a:1"], "ps": ["a:2"]}, "not 'ps'"),
        ({"worker": ["a:1"], "chief": ["a:2", "a:3"]}, "Expected one chief"),
    ],
)
def test_a_cluster_says_what_is_wrong(monkeypatch, jobs, words):
    task = {"type": "worker", "index": 0}
    config = json.dumps({"cluster": jobs, "task": task})
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match=words):
        kprune.training.strategy("multi_worker")


def test_the_chief_is_the_one_to_meet_at():
    jobs = {"worker": ["a:1", "[::1]:2"], "chief": ["b:3"]}
    task = {"type": "worker", "index": 1}
    found = cluster.read(json.dumps({"cluster": jobs, "task": task}))
    assert [(t.name, t.host, t.port) for t in found.tasks] == [
        ("chief 0", "b", 3),
        ("worker 0", "a", 1),
        ("worker 1", "::1", 2),
    ]
    assert found.place == 2


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "long"])
def test_a_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(ValueError, match="`timeout`"):
        kprune.training.strategy("none", timeout=timeout)


@pytest.mark.parametrize("settings", ["rate", 3, [], {"a": print}, {(1,): 2}])
def test_settings_are_such_as_json_holds(settings):
    with pytest.raises(ValueError, match="`settings`"):
        kprune.training.strategy("none", settings=settings)


def test_missing_workers_end_the_program_to_be_started_again(monkeypatch):
    monkeypatch.setattr(keras_internals, "computes_already", lambda: False)
    with socket.create_server(("localhost", 0)) as one:
        address = f"localhost:{one.getsockname()[1]}"
    jobs = {"worker": [address, "localhost:1"]}
    task = {"type": "worker", "index": 0}
    config = json.dumps({"cluster": jobs, "task": task})
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(kprune.training.Terminated) as ended:
        kprune.training.strategy("multi_worker", timeout=0.5)
    assert ended.value.code == 143
    assert "Waited 0.5 s for worker 1 (localhost:1: " in str(ended.value)


def test_workers_must_meet_first(monkeypatch):
    tf.constant(1.0) + 1.0
    cluster = '{"cluster": {"worker": ["localhost:1", "localhost:2"]}, '
    task = '"task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", cluster + task)
    with pytest.raises(ValueError, match="before TensorFlow computes"):
        kprune.training.strategy("multi_worker")
