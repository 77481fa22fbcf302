"""The identity of a run: the config fields that define it, hashed."""

import hashlib
import json
import re
from typing import Any

from ml_collections import ConfigDict

from kprune.experiment.config import filled

# Fields that say where and how a run is executed, not what it is.
_OF_NO_ACCOUNT = (
    "artifacts",
    "checkpoint",
    "distribute",
    "paper",
    "tensorboard",
    "track",
)


def name(config: ConfigDict | dict[str, Any]) -> str:
    """Returns the name of a run's directory: letters, digits, `.`, `_`, `-`.

    It joins the data set, the model, the method, its sanity check if there is
    one, the sparsity (left out where the granularity fixes it) and the seed.
    It ends in the first eight hexadecimal digits of the SHA-256 of what
    `settings` returns, as JSON without spaces. A new key of a later kprune,
    whose default keeps the old behaviour, does not change older names.

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


def settings(config: ConfigDict | dict[str, Any]) -> dict[str, Any]:
    """Returns the settings of a run that differ from the defaults.

    Where and how it is executed does not count: `artifacts`, `checkpoint`,
    `distribute`, `paper`, `tensorboard` and `track`.

    Returns:
        Dict by dotted key, sorted, such as
        `{"pruner.sparsity": 0.98, "seed": 1}`.
    """
    return _unusual(leaves(config))


def leaves(config):
    """Returns the fields that define a run, a dict by dotted key, sorted.

    Those that say where and how it is executed are left out.
    """
    return {
        key: value
        for key, value in sorted(every_leaf(config).items())
        if key.split(".")[0] not in _OF_NO_ACCOUNT
    }


def every_leaf(config):
    """Returns all fields of a config, a dict by dotted key."""
    # JSON turns a tuple into a list, as it is in `config.json`.
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
