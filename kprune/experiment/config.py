"""The fields of a config and their defaults.

Each section holds the arguments of a call: `dataset` those of
`kprune.datasets.load`, `model` of `kprune.models.get`, `pruner` of
`kprune.prune`, `training` of Keras' `compile` and `fit`, and `checkpoint` of
`kprune.callbacks.Checkpoint`. `None` leaves an argument at its default.
"""

import copy
import json
from typing import Any

from ml_collections import ConfigDict, config_dict

from kprune.experiment import sources
from kprune.runtime import checks, lookup, seeds
from kprune.runtime.words import shown

DENSE = "dense"  # The method that prunes nothing.
TICKET = "ticket"  # The method that takes the masks of a finished run.
# Methods whose sparsity follows from other options.
WITHOUT_SPARSITY = ("asni", TICKET)

_DEFAULTS = {
    # The seeds of initialization, data order and pruning derive from it.
    "seed": 0,
    # Whether to write `model.keras` and `saved_model`.
    "artifacts": True,
    # Digests of the user's own sources by name, which `complete` fills in.
    # They are part of a run's identity.
    "sources": {},
    # The name for `kprune.training.strategy`, and the dtype policy.
    "distribute": "none",
    "precision": "float32",
    # The paper's results, which reports show beside those of the run.
    "paper": {},
    # A killed run resumes from these: how often to save, how many to keep.
    "checkpoint": {"every": "1ep", "keep": 2},
    "tensorboard": False,
    # Also log to these: a list of tensorboard, wandb and mlflow.
    "track": None,
    "dataset": {
        "name": "digits",
        "batch_size": 128,
        "augment": None,
        "normalization": "default",
        "validation": 0.0,
        "drop_remainder": False,
        "seed": None,
    },
    "model": {
        # Further keys are options of the model; `classes` and `input_shape`
        # default to those of the data set.
        "name": "lenet_300_100",
        "seed": None,
    },
    "pruner": {
        "method": "grasp",
        "sparsity": 0.9,
        "options": {},
        "granularity": None,
        "allocation": None,
        "schedule": None,
        "rounds": None,
        "exclude": None,
        "min_kept": None,
        "on_collapse": None,
        # A sanity check on the method (`kprune.experiment.checks()`).
        "check": None,
        "batch_norm": None,
        # The batches of training images to score on.
        "batches": 1,
        "batch_size": 100,
        "seed": None,
    },
    "training": {
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "optimizer_options": {},
        # The learning rate schedule and its options.
        "schedule": {"name": "constant"},
        # The user's own functions, as `module:function`: a loss of (y_true,
        # y_pred), metrics of the same, and functions that return a Keras
        # callback.
        "loss": None,
        "metrics": None,
        "callbacks": None,
        "label_smoothing": 0.0,
        "epochs": 5,
        "steps_per_epoch": None,
        "steps_per_execution": 1,
        "jit_compile": False,
    },
}
# Sections that accept keys without a default.
_OPEN = (
    "model",
    "paper",
    "pruner.options",
    "sources",
    "training.optimizer_options",
    "training.schedule",
)


def default() -> ConfigDict:
    """Returns a config with all keys, for a run on the digits."""
    return complete({})


def put(config, changes):
    """Sets copies of values in nested dicts, by dotted key."""
    for key, value in changes.items():
        *path, last = key.split(".")
        section = config
        for part in path:
            section = section.setdefault(part, {})
        section[last] = copy.deepcopy(value)


def complete(config: ConfigDict | dict[str, Any]) -> ConfigDict:
    """Returns a config with the defaults filled in.

    The sparsity of the method `"dense"`, which prunes nothing, becomes 0;
    that of `"asni"` and `"ticket"` follows from their options and becomes
    `None`.

    Args:
        config: `ConfigDict` or dict, as in `configs/`. It is not modified.

    Returns:
        A `ConfigDict` with all keys.

    Raises:
        ValueError: If a key is unknown, or the type of a value is not that of
            its default.

    Example:

    >>> config = kprune.experiment.complete({"pruner": {"sparsity": 0.98}})
    >>> config.pruner.sparsity, config.pruner.method
    (0.98, 'grasp')
    """
    return ConfigDict(
        _with_placeholders(filled(config)), allow_dotted_keys=True
    )


def filled(config):
    """Returns a config with the defaults filled in, as a dict."""
    if isinstance(config, ConfigDict):
        config = config.to_dict()
    full = _merged(_DEFAULTS, config, "")
    seeds.check(full["seed"])
    full["sources"] = sources.digests(full)
    if full["pruner"]["method"] == DENSE:
        full["pruner"]["sparsity"] = 0.0
    if full["pruner"]["method"] in WITHOUT_SPARSITY:
        full["pruner"]["sparsity"] = None
    try:
        json.dumps(full)
    except TypeError as error:
        raise ValueError(
            f"A config holds numbers, strings, lists and dicts. {error}."
        ) from error
    return full


def _merged(defaults, given, path):
    """Returns `defaults` overwritten by `given`, a dict at `path`."""
    if not isinstance(given, dict):
        raise ValueError(
            f"Expected `config{_dotted(path)}` to be a dict of "
            f"{', '.join(defaults)}. Received: {shown(given)}"
        )
    if path not in _OPEN:
        for key in given:
            if key not in defaults:
                what = f"key of `config{_dotted(path)}`"
                raise ValueError(lookup.unknown(key, defaults, what))
    merged = dict(given)
    for key, value in defaults.items():
        below = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            merged[key] = _merged(value, given.get(key, {}), below)
        else:
            merged[key] = _checked(given.get(key, value), value, below)
    return merged


def _checked(value, default, path):
    if value is None or default is None:
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(default, float) and whole:
        return float(value)
    same = type(value) is type(default)
    expected = f"{type(default).__name__}, as in {default!r}"
    return checks.require(same, f"config.{path}", value, expected)


def _dotted(path):
    return f".{path}" if path else ""


def _with_placeholders(value):
    """Replaces each `None` by a placeholder, which accepts any type."""
    if isinstance(value, dict):
        return {k: _with_placeholders(v) for k, v in value.items()}
    return config_dict.placeholder(object) if value is None else value
