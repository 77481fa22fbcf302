"""Captures and restores the exact state of a training run.

It consists of the weights, masks and statistics of the model, the state of its
optimizer, metrics, random seeds and callbacks, and the global random state.
"""

import random

import keras
import numpy as np

from kprune.masking import weights, wrapping

# The attributes that Keras' own callbacks keep from epoch to epoch.
_BEST = ("best", "best_epoch", "best_weights")
_REMEMBERED = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", *_BEST),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best", "epochs_since_last_save"),
}


def take(model, callbacks=()):
    """Returns the state of a compiled model and its callbacks.

    The state of a callback is what its `get_state()` returns. Keras'
    `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint` are read by
    attribute; other callbacks have no state.

    Returns:
        A nested dict of arrays and values that JSON can hold, provided that
        `get_state()` returns such values.
    """
    _build_optimizer(model)
    groups = {
        group: [keras.ops.convert_to_numpy(v) for v in variables]
        for group, variables in _variables(model).items()
    }
    return {
        **groups,
        "notes": {w.name: w.note for w in weights.find(model) if w.note},
        "callbacks": [
            [type(callback).__name__, _memory(callback)]
            for callback in callbacks
            if _remembers(callback)
        ],
        # A user's data generator may draw from these.
        "random": {"python": random.getstate(), "numpy": np.random.get_state()},
    }


_GROUPS = ("model", "optimizer", "metrics")
_KEYS = {*_GROUPS, "notes", "callbacks", "random"}


def check(state):
    """Raises `ValueError` unless a state has the structure that `take` returns.
    `put_back` checks whether it fits a model."""
    if not isinstance(state, dict) or set(state) != _KEYS:
        found = sorted(state) if isinstance(state, dict) else state
        raise ValueError(f"Expected {sorted(_KEYS)}. Received: {found}")
    for group in _GROUPS:
        if not _is_list(state[group], np.ndarray):
            raise ValueError(f"Expected a list of arrays as {group!r}.")
    if not isinstance(state["notes"], dict):
        raise ValueError("Expected a dict as 'notes'.")
    pairs = state["callbacks"]
    if not _is_list(pairs, list) or any(len(pair) != 2 for pair in pairs):
        raise ValueError("Expected pairs as 'callbacks'.")
    try:
        _set_random(state["random"], random.Random(), np.random.RandomState())
    except (KeyError, TypeError) as error:
        raise ValueError(f"'random' is no random state: {error}") from error


def _is_list(value, kind):
    return isinstance(value, list) and all(isinstance(v, kind) for v in value)


def put_back(model, state):
    """Restores a model and the global random generators in place.

    The model must be built, pruned or wrapped, and compiled as it was when the
    state was taken. Metrics are not restored: `fit` resets them when an epoch
    begins.

    Raises:
        ValueError: If the state is of another model, which stays unchanged.
    """
    _build_optimizer(model)
    groups = _variables(model)
    del groups["metrics"]
    for group, variables in groups.items():
        _check(group, variables, state[group])
    for group, variables in groups.items():
        _assign(variables, state[group])
    wrapping.set_notes(model, state["notes"])
    _set_random(state["random"], random, np.random)


def _set_random(state, python, numpy):
    version, internal, gauss = state["python"]
    python.setstate((version, tuple(internal), gauss))
    numpy.set_state(tuple(state["numpy"]))


def put_back_metrics(model, state):
    """Restores the metrics of a model in place; they must be built."""
    variables = _variables(model)["metrics"]
    _check("metrics", variables, state["metrics"])
    _assign(variables, state["metrics"])


def put_back_callbacks(callbacks, state):
    """Restores the state of callbacks; raises `ValueError` unless those with a
    state are of the saved classes, in order."""
    taken = [kind for kind, _ in state["callbacks"]]
    callbacks = [
        callback
        for callback in callbacks
        if _remembers(callback)
        and (
            type(callback).__name__ in taken
            or not getattr(callback, "state_is_optional", False)
        )
    ]
    kinds = [type(callback).__name__ for callback in callbacks]
    if kinds != taken:
        raise ValueError(
            "The checkpoint was saved with other callbacks. Expected "
            f"{taken}, in this order. Received: {kinds}"
        )
    for callback, (_, memory) in zip(
        callbacks, state["callbacks"], strict=True
    ):
        if hasattr(callback, "set_state"):
            callback.set_state(memory)
        else:
            for name, value in memory.items():
                setattr(callback, name, value)


def _build_optimizer(model):
    optimizer = model.optimizer
    if optimizer is not None and not optimizer.built:
        with model.distribute_strategy.scope():
            optimizer.build(model.trainable_variables)


def _variables(model):
    optimizer = model.optimizer
    return {
        "model": model.variables,
        "optimizer": [] if optimizer is None else optimizer.variables,
        "metrics": [v for metric in model.metrics for v in metric.variables],
    }


def _check(group, variables, arrays):
    expected = [tuple(variable.shape) for variable in variables]
    found = [array.shape for array in arrays]
    if expected != found:
        raise ValueError(
            f"The checkpoint was saved of another {group}. Expected variables "
            f"of the shapes {expected}. Received: {found}"
        )


def _assign(variables, arrays):
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _remembers(callback):
    kinds = tuple(_REMEMBERED)
    return hasattr(callback, "get_state") or isinstance(callback, kinds)


def _memory(callback):
    if hasattr(callback, "get_state"):
        return callback.get_state()
    names = [
        name
        for kind, remembered in _REMEMBERED.items()
        if isinstance(callback, kind)
        for name in remembered
    ]
    return {name: getattr(callback, name) for name in names}
