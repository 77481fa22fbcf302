"""Restores a model when an in-place change fails midway."""

import contextlib

import tensorflow as tf

from kprune.runtime import keras_internals


@contextlib.contextmanager
def undone_on_error(model):
    """Restores a model if the block raises.

    Restores its layers, their attributes, and the values and constraints of
    its variables and its optimizer's. `tf.identity` copies a value only when
    the variable changes.

    Args:
        model: A Keras model that the block changes in place.
    """
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    values = [(v, tf.identity(v.value), v.constraint) for v in variables]
    holders = [*map(_Holder, keras_internals.all_layers(model))]
    try:
        yield
    except BaseException:
        for holder in holders:
            holder.restore()
        for variable, value, constraint in values:
            variable.constraint = constraint
            variable.assign(value)
        raise


class _Holder:
    """A snapshot of a layer's class, attributes, and their lists and dicts."""

    def __init__(self, layer):
        self._layer, self._class = layer, type(layer)
        self._attributes = dict(vars(layer))
        self._containers = list(_containers(self._attributes.values()))

    def restore(self):
        self._layer.__class__ = self._class
        held = vars(self._layer)
        for name in held.keys() - self._attributes.keys():
            del held[name]
        held.update(self._attributes)
        for container, items in self._containers:
            if isinstance(container, dict):
                dict.clear(container)
                dict.update(container, items)
            else:
                list.__setitem__(container, slice(None), items)


def _containers(values):
    """Yields (container, copy) of the lists and dicts nested in values."""
    for value in values:
        value = getattr(value, "__wrapped__", value)  # TF wraps dicts.
        if isinstance(value, dict):
            yield value, dict(value)
            yield from _containers(list(value.values()))
        elif isinstance(value, list):
            yield value, list(value)
            yield from _containers(value)
