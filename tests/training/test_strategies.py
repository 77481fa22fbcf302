"""Strategies by name, and what stands in their way."""

import pytest
import tensorflow as tf

import kprune


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
    ],
)
def test_a_wrong_cluster_is_answered(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r'TF_CONFIG[\s\S]*"host1:12345"'):
        kprune.training.strategy("multi_worker")


def test_workers_must_meet_first(monkeypatch):
    tf.constant(1.0) + 1.0
    cluster = '{"cluster": {"worker": ["localhost:1", "localhost:2"]}, '
    task = '"task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", cluster + task)
    with pytest.raises(ValueError, match="before TensorFlow computes"):
        kprune.training.strategy("multi_worker")
