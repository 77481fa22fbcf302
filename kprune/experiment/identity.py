"""The identity of a run: the config fields that define it, hashed."""

import hashlib
import json
import re

from kprune.experiment.config import filled

# Where and how a run is executed, not what it is.
_OF_NO_ACCOUNT = (
    "artifacts",
    "checkpoint",
    "distribute",
    "paper",
    "tensorboard",
    "track",
)


def name(config):
    """Returns a name for the directory of a run: letters, digits, `.`, `_`,
    `-`.

    It is made of the data set, the model, the method, its sanity check if it
    has one, the sparsity (left out where the granularity fixes it) and the
    seed, and ends in the first eight hexadecimal digits of the SHA-256 of what
    `settings` returns, as JSON without spaces. A key that kprune gains, with a
    default that does what was done before, leaves older names as they are.

    Example:

    >>> config = {"pruner": {"method": "snip", "sparsity": 0.98}}
    >>> kprune.experiment.identity.name(config)
    'digits-lenet_300_100-snip-0.98-seed0-dc45573e'
    """
    found = leaves(config)
    keys = ("dataset.name", "model.name", "pruner.method", "pruner.check")
    parts = [found[key] for key in keys]
    if found["pruner.sparsity"] is not None:
        parts.append(f"{found['pruner.sparsity']:g}")
    parts += [f"seed{found['seed']}", _digest(_unusual(found))]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(filter(None, parts)))


def settings(config):
    """Returns in what a run differs from the defaults: a dict by dotted key,
    sorted, such as `{"pruner.sparsity": 0.98, "seed": 1}`.

    Where and how it is executed does not count: `artifacts`, `checkpoint`,
    `distribute`, `paper`, `tensorboard` and `track`.
    """
    return _unusual(leaves(config))


def leaves(config):
    """Returns all that a run is, a dict by dotted key, sorted, without the keys
    that say where and how it is executed."""
    return {
        key: value
        for key, value in sorted(every_leaf(config).items())
        if key.split(".")[0] not in _OF_NO_ACCOUNT
    }


def every_leaf(config):
    """Returns all that a config says, a dict by dotted key."""
    # By way of JSON, so that a tuple is the list that `config.json` holds.
    return _flat(json.loads(json.dumps(filled(config))))


def _unusual(found):
    usual = leaves({})
    return {
        key: value
        for key, value in found.items()
        if key not in usual or value != usual[key]
    }


def _flat(value, path=""):
    """Returns the leaves of nested dicts by dotted key."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    found = {}
    for key, below in value.items():
        found.update(_flat(below, f"{path}.{key}" if path else str(key)))
    return found


def _digest(found):
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
