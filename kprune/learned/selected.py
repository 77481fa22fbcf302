"""`Selected`: the layer wrapper of learned selection."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.learned.reparametrized import (
    Reparametrization,
    Reparametrized,
    SoftModel,
)
from kprune.masking import weight_wrapper
from kprune.runtime import seeds


@keras.saving.register_keras_serializable("kprune")
class Selected(Reparametrized):
    """Layer wrapper that freezes the weights and trains a selection of them.

    All trainable variables of the layer are frozen and have no gradient. Batch
    normalization still normalizes with batch statistics and updates its moving
    ones.

    Args:
        layer, parts, names: As for `kprune.learned.Reparametrized`. The parts,
            if any, are selections such as `kprune.learned.EdgePopup`.
        **kwargs: Arguments of a Keras layer.

    Example:

    >>> layer = kprune.learned.Selected(
    ...     keras.layers.Dense(4, name="fc"),
    ...     {"kernel": kprune.learned.EdgePopup(kept=6, fan_in=3)},
    ... )
    >>> layer(keras.ops.ones((1, 3))).shape
    TensorShape([1, 4])
    >>> [variable.name for variable in layer.trainable_variables]
    ['scores']
    """

    freezes = True

    def __init__(
        self,
        layer: keras.layers.Layer,
        parts: Mapping[str, Reparametrization],
        names: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        # The frozen variables. In `__dict__`, so that Keras does not track it.
        self.__dict__["_frozen"] = []
        super().__init__(layer, parts, names, **kwargs)

    def _names(self):
        return list(self.parts) or None

    def _attach(self, found):
        pairs = super()._attach(found)
        own = {id(variable) for variable, _ in pairs}
        frozen = self.layer.trainable_variables
        self.__dict__["_frozen"] = list(frozen)
        self.freeze()
        return pairs + [(v, None) for v in frozen if id(v) not in own]

    def freeze(self) -> None:
        """Freezes variables again, which Keras may have made trainable."""
        for variable in self._frozen:
            variable.trainable = False

    @property
    def trainable(self) -> bool:
        return keras.layers.Layer.trainable.fget(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # Keras sets it on all variables below.
        keras.layers.Layer.trainable.fset(self, value)
        self.freeze()

    def _shown(self, variable, part):
        value = tf.stop_gradient(variable.value)
        return value if part is None else part(value)

    def choices(self) -> Iterator[tuple[str, Any, Any]]:
        """Yields (name in the model, variable, part) of each selection."""
        for name, part in self.parts.items():
            yield self.names[name], part.weight, part

    def results(
        self, seed: int | None = None
    ) -> dict[str, tuple[Any, np.ndarray]]:
        found = {}
        for name, variable, part in self.choices():
            rng = None if seed is None else seeds.stream(seed, "draw", name)
            found[name] = part.effective(variable.value, rng)
        return found

    def removed(self) -> Iterator[tuple[float, int]]:
        for _, variable, part in self.choices():
            size = variable.value.shape.num_elements()
            yield size - part.expected_kept(), size

    def effective_weights(self) -> dict[str, Any]:
        return {name: value for name, (value, _) in self.results().items()}

    def fold(self) -> list[keras.Variable]:
        values, stored = self.effective_weights(), list(self.choices())
        for name, variable, _ in stored:
            variable.assign(values[name])
        for variable in self._frozen:
            variable.trainable = True
        return [variable for _, variable, _ in stored]


@keras.saving.register_keras_serializable("kprune")
class SelectedModel(SoftModel):
    """The class under which Keras saves subclassed models with selections."""

    _wrapper_class = Selected


def wrappers(model):
    """Returns the `Selected` layers of a model."""
    return weight_wrapper.wrappers(model, Selected)


def choices(model):
    """Returns (name in the model, variable, part) of a model's selections."""
    return [one for wrapper in wrappers(model) for one in wrapper.choices()]
