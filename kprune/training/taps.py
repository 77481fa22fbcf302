"""Reads the outputs of layers inside a model."""

import contextlib
import functools

import keras

from kprune.masking import weights
from kprune.runtime import keras_internals, lookup


class Taps:
    """Records the outputs of layers of a model, or their attention scores.

    Args:
        model: A built Keras model, wrapped or not.
        names: List of names of layers, at any depth.
        attention: List of booleans, whether to record the scores of each
            layer instead of its output if it is a `MultiHeadAttention`.
    """

    def __init__(self, model, names, attention):
        self._model = model.name
        self._layers = [_find(model, name) for name in names]
        kind = keras.layers.MultiHeadAttention
        pairs = zip(self._layers, attention, strict=True)
        self.scores = [wanted and isinstance(x, kind) for x, wanted in pairs]

    @contextlib.contextmanager
    def watching(self):
        """Returns a context that yields a dict from a layer's number to the
        output of its last call in the context and in this thread."""
        seen = {}
        if not self._layers:
            yield seen
            return
        watch = functools.partial(self._watch, seen)
        with (
            keras_internals.observed(self._layers),
            keras_internals.observing(watch),
        ):
            yield seen

    def _watch(self, seen, layer, call, args, kwargs):
        """Calls a layer and records its output or scores."""
        places = [i for i, one in enumerate(self._layers) if one is layer]
        asked = kwargs.get("return_attention_scores", False)
        scored = asked or any(self.scores[i] for i in places)
        if scored:
            kwargs = {**kwargs, "return_attention_scores": True}
        found = call(*args, **kwargs)
        output, scores = found if scored else (found, None)
        for i in places:
            # The copy drops Keras' padding mask: distances use whole arrays.
            one = scores if self.scores[i] else output
            seen[i] = keras.ops.multiply(one, 1)
        return found if asked else output

    def check(self, seen):
        """Raises `ValueError` if a layer was not called."""
        for i, layer in enumerate(self._layers):
            if i not in seen:
                raise ValueError(
                    f"Layer {layer.name!r} of model {self._model!r} is not "
                    "called in a train step. Expected one that is."
                )


def _find(model, name):
    """Returns the layer with a name in a model, never its wrapper."""
    by_name = {}
    for layer in keras_internals.all_layers(model)[1:]:
        if not weights.is_wrapper(layer):
            by_name.setdefault(layer.name, []).append(layer)
    if name not in by_name:
        raise ValueError(
            lookup.unknown(name, by_name, f"layer of model {model.name!r}")
        )
    layer, *others = by_name[name]
    if any(other is not layer for other in others):
        raise ValueError(
            f"Model {model.name!r} has several layers named {name!r}. "
            "Expected one."
        )
    if layer in keras_internals.traced_layers(layer):
        raise ValueError(
            f"The `call` of layer {name!r} is a tf.function, whose values "
            "cannot be read. Expected another layer."
        )
    return layer
