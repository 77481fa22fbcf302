"""The name of a run: pinned, and of what it is alone."""

import hashlib
import re

import pytest
from ml_collections import ConfigDict

from kprune.experiment import config as schema
from kprune.experiment import identity

SNIP = {"pruner": {"method": "snip", "sparsity": 0.98}}


def test_the_name_is_pinned():
    # printf '%s' '{"pruner.method":"snip","pruner.sparsity":0.98}' | sha256sum
    # begins with dc45573e. If this fails, all runs lose their directories.
    expected = "digits-lenet_300_100-snip-0.98-seed0-dc45573e"
    assert identity.name(SNIP) == expected
    assert identity.name(ConfigDict(SNIP)) == expected
    assert identity.name(schema.complete(SNIP)) == expected


def test_a_config_of_defaults_is_the_empty_dict():
    digest = hashlib.sha256(b"{}").hexdigest()[:8]
    assert identity.settings({}) == {}
    assert identity.name({}).endswith(f"-seed0-{digest}")


def test_settings_are_what_differs_from_the_defaults():
    config = {
        "seed": 3,
        "dataset": {"batch_size": 128, "validation": 0.1},
        "model": {"name": "fc", "widths": (16, 8)},
        "training": {"schedule": {"name": "multi_step", "at": ["2ep"]}},
    }
    assert list(identity.settings(config).items()) == [
        ("dataset.validation", 0.1),
        ("model.name", "fc"),
        ("model.widths", [16, 8]),
        ("seed", 3),
        ("training.schedule.at", ["2ep"]),
        ("training.schedule.name", "multi_step"),
    ]


def test_a_new_key_with_a_default_changes_no_name(monkeypatch):
    before = identity.name(SNIP)
    training = {**schema._DEFAULTS["training"], "patience": 7}
    monkeypatch.setitem(schema._DEFAULTS, "training", training)
    assert identity.name(SNIP) == before
    assert identity.name({**SNIP, "training": {"patience": 8}}) != before


@pytest.mark.parametrize(
    "config",
    [
        {"artifacts": False},
        {"checkpoint": {"keep": 5}},
        {"distribute": "mirrored"},
        {"tensorboard": True},
        {"track": ["mlflow"]},
        {"paper": {"results": [{"method": "snip", "mean": 93.0}]}},
    ],
)
def test_where_and_how_it_runs_does_not_count(config):
    assert identity.name({**SNIP, **config}) == identity.name(SNIP)


@pytest.mark.parametrize(
    "config",
    [
        {"precision": "mixed_bfloat16"},
        {"training": {"epochs": 6}},
        {"pruner": {**SNIP["pruner"], "options": {"released_code": True}}},
        {"model": {"initializer": "he_normal"}},
    ],
)
def test_all_else_changes_the_digits_alone(config):
    name, other = identity.name(SNIP), identity.name({**SNIP, **config})
    assert name[:-8] == other[:-8]
    assert name[-8:] != other[-8:]


def test_the_parts_can_be_read():
    config = {
        "seed": 12,
        "dataset": {"name": "mnist"},
        "model": {"name": "conv2"},
        "pruner": {"method": "grasp", "sparsity": 0.9975},
    }
    assert re.fullmatch(
        r"mnist-conv2-grasp-0\.9975-seed12-[0-9a-f]{8}", identity.name(config)
    )
    dense = {"pruner": {"method": "dense", "sparsity": 0.9}}
    assert "-dense-0-seed0-" in identity.name(dense)
    fixed = {"pruner": {"sparsity": None, "granularity": "2:4"}}
    assert "-grasp-seed0-" in identity.name(fixed)


def test_a_name_is_fit_for_a_file_system():
    config = {"model": {"name": "../a b:c/é"}}
    assert re.fullmatch(r"[A-Za-z0-9._-]+", identity.name(config))


def test_an_unknown_key_is_answered():
    with pytest.raises(ValueError, match="Did you mean 'sparsity'"):
        identity.name({"pruner": {"sparsty": 0.5}})
