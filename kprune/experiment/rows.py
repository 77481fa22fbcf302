"""Looks up a row of a paper's table for a file in `configs/`.

Each file has a table `ROWS` of the settings of the paper's experiments:

    --config=configs/force.py:cifar10_vgg19        one of its rows
    --config=configs/force.py:cifar10_vgg19,quick  two steps of everything
    --config=configs/force.py:quick                two steps of the first row
"""

import copy

from ml_collections import ConfigDict

from kprune.experiment.config import put
from kprune.runtime import lookup

# Changes for a quick form that also scores and trains on small batches.
SMALL_BATCHES = {
    "dataset.batch_size": 16,
    "pruner.batches": 1,
    "pruner.batch_size": 16,
}
_QUICK = "quick"
# Substitutes in the quick form: the digits' 8x8 pixels are too few for VGG.
_SMALLER = {
    "vgg": {"name": "conv6"},
    "resnet": {"name": "resnet_cifar", "depth": 8},
}


def config(arg, rows, settings, quick=None):
    """Returns the config of a row: the body of a file's `get_config`.

    Changes are dicts by dotted key. `{"pruner.sparsity": 0.98}` replaces one
    value, `{"model": {"name": "vgg19"}}` a whole section.

    The quick form trains for two steps on the digits that kprune ships, with
    a smaller network instead of a VGG or a ResNet.

    Args:
        arg: String after the file's colon: `"ROW"`, `"ROW,quick"`, `"quick"`
            or `""`. The row defaults to the first one.
        rows: Dict from a row's name to its changes of `settings`. These may
            hold further changes for the quick form under the key `"quick"`.
        settings: Dict of sections as in a config, which all rows share.
        quick: Dict of changes for the quick form of every row.

    Returns:
        A `ConfigDict`.

    Raises:
        ValueError: If `rows` has no such row.

    Example:

    >>> settings = {"dataset": {"name": "mnist"}, "pruner": {"method": "snip"}}
    >>> rows = {"lenet5": {"model": {"name": "lenet5"}}}
    >>> config("lenet5", rows, settings).to_dict()["model"]
    {'name': 'lenet5'}
    """
    name, is_quick = _split(arg, rows)
    found = copy.deepcopy({"seed": 0, **settings})
    changes = dict(rows[name])
    changes_if_quick = changes.pop(_QUICK, {})
    put(found, changes)
    if is_quick:
        _shorten(found)
        put(found, quick or {})
        put(found, changes_if_quick)
    return ConfigDict(found)


def sweep(methods, sparsities):
    """Returns `paper.sweep`: the dense network and methods, with three seeds.

    Args:
        methods: Names of methods, or labels of the paper's results.
        sparsities: Iterable of numbers.
    """
    return {
        "methods": ["dense", *methods],
        "sparsities": list(sparsities),
        "seeds": [0, 1, 2],
    }


def torch_sgd(weight_decay, schedule, epochs):
    """Returns a section `training`: PyTorch's SGD at a learning rate of 0.1.

    Args:
        weight_decay: Number.
        schedule: Dict, as `config.training.schedule`.
        epochs: Integer.
    """
    return {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": weight_decay},
        "learning_rate": 0.1,
        "schedule": schedule,
        "epochs": epochs,
    }


def tenth_at(*durations):
    """Returns a schedule that divides the rate by ten at each duration."""
    return {"name": "multi_step", "at": list(durations), "factor": 0.1}


def _split(arg, rows):
    """Returns (name of a row, whether to take its quick form)."""
    words = arg.split(",")
    is_quick = words[-1] == _QUICK
    name = ",".join(words[:-1] if is_quick else words) or next(iter(rows))
    if name not in rows:
        known = [*rows, _QUICK]
        raise ValueError(lookup.unknown(name, known, "row of this config"))
    return name, is_quick


def _shorten(found):
    """Makes a config run two steps, on data that kprune ships."""
    found["dataset"]["name"] = "digits"
    found["training"].update(epochs=1, steps_per_epoch=2)
    for prefix, smaller in _SMALLER.items():
        if found["model"]["name"].startswith(prefix):
            found["model"] = dict(smaller)
