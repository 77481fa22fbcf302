"""Sums up the inputs of layers as the layers are called."""

import inspect

import keras
import tensorflow as tf

from kprune.runtime import keras_internals


class Reached(BaseException):
    """Ends a run of a network at a layer, and carries that call's arguments.

    Not an `Exception`: Keras would rewrite its message.
    """

    def __init__(self, args, kwargs, masks):
        super().__init__()
        self.call = args, kwargs
        self.masks = masks


class Observer:
    """Sums up the inputs of layers as they are called, without padding.

    Args:
        read: Dict from weight name to the layer that owns the weight and its
            `read_inputs.reader`.
        gram: Whether to sum up X'X instead of its diagonal.
        until: The layer at whose call to raise `Reached`, or `None`.
        masks: Padding masks of the enclosing calls, as in `Reached.masks`.
    """

    def __init__(self, read, gram, until=None, masks=()):
        self._read, self._gram, self._until = read, gram, until
        # One list of (tensor, mask) for each enclosing call.
        self._masks = [*masks]
        self._graph = _graph()
        self._sums, self._unread = {}, {}

    def __call__(self, layer, call, args, kwargs):
        if layer is self._until:
            raise Reached(args, kwargs, [*self._masks])
        own = [
            name for name, (owner, _) in self._read.items() if owner is layer
        ]
        if own and reads(layer, kwargs):
            self._add(layer, own, _first(args, kwargs))
        self._masks.append(_masks_of_call(call, args, kwargs))
        try:
            return call(*args, **kwargs)
        finally:
            self._masks.pop()

    def found(self, names):
        """Returns a list of the sums of some weights."""
        # Raised here, not in the call: Keras would rewrite the message there.
        if self._unread:
            raise ValueError(
                "Layers are called in a loop or a `tf.function` of their own, "
                "where their inputs cannot be measured. Exclude them by "
                f"`exclude=`. Received: {self._unread}"
            )
        missing = sorted(set(names) - set(self._sums))
        if missing:
            raise ValueError(
                f"The model does not call the layers of {missing}. Exclude "
                "them by `exclude=`."
            )
        return [self._sums[name] for name in names]

    def _add(self, layer, names, x):
        if _graph() is not self._graph:
            self._unread |= dict.fromkeys(names, layer.name)
            return
        valid = self._valid(x, isinstance(layer, keras.layers.Embedding))
        for name in names:
            part = self._read[name][1](x, valid, self._gram)
            before = self._sums.get(name)
            self._sums[name] = part if before is None else before + part

    def _valid_in(self, call, args, kwargs, x):
        """Returns `_valid` of an input, with the masks of its layer's call."""
        self._masks.append(_masks_of_call(call, args, kwargs))
        try:
            return self._valid(x, False)
        finally:
            self._masks.pop()

    def _valid(self, x, is_lookup):
        """Returns which positions of an input are not padding, or `None`.

        It is the mask that Keras attached to the input, or else one that was
        passed to an enclosing call.
        """
        own = keras_internals.padding_of(x)
        positions = x.shape if is_lookup else x.shape[:-1]
        if own is not None and len(own.shape) <= len(positions):
            return tf.cast(own, tf.bool)
        for pairs in reversed(self._masks):
            exact = [m for tensor, m in pairs if tensor is x]
            for mask in exact or [m for _, m in pairs]:
                if _fits(mask, positions):
                    return tf.cast(mask, tf.bool)
        return None


def reads(layer, kwargs):
    """Returns whether a call of a layer reads its weight untransposed; an
    embedding called with `reverse=True` reads it transposed."""
    return not (
        isinstance(layer, keras.layers.Embedding) and kwargs.get("reverse")
    )


def _masks_of_call(call, args, kwargs):
    """Returns pairs of an argument and its padding mask; the argument is
    `None` for a mask passed as `..._padding_mask`."""
    try:
        given = inspect.signature(call).bind_partial(*args, **kwargs).arguments
    except TypeError:
        given = kwargs
    flat = {**given, **given.get("kwargs", {})}
    for value in list(flat.values()):
        flat.update(value if isinstance(value, dict) else {})
    pairs = []
    for name, value in flat.items():
        mask = flat.get(f"{name}_mask")
        if mask is None and name == "inputs":
            mask = flat.get("mask")
        if mask is None:
            mask = keras_internals.padding_of(value)
        if tf.is_tensor(mask):
            pairs.append((value, mask))
        if str(name).endswith("padding_mask") and tf.is_tensor(value):
            pairs.append((None, value))
    return pairs


def _fits(mask, positions):
    """Returns whether a mask has the shape (batch, steps) of an input."""
    return (
        len(mask.shape) == 2
        and len(positions) >= 2
        and mask.shape[1] == positions[1]
    )


def _first(args, kwargs):
    return args[0] if args else next(iter(kwargs.values()))


def _graph():
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
