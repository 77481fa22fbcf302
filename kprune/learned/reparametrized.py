"""The wrapper that computes with functions of the weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kprune.masking import weight_wrapper, weights
from kprune.masking.subclassed_models import ConstructedModel


class Reparametrization(keras.layers.Layer):
    """A differentiable function of one weight of a layer.

    A subclass creates its variables in `build`, from the weight's shape, and
    returns a tensor of this shape from `call`. `options` names the attributes
    that `get_config` stores.
    """

    options = ()  # type: tuple[str, ...]

    def __init__(self, **kwargs: Any) -> None:
        # Thresholds and gates are trained and applied in full precision, also
        # if the layer computes in half precision.
        super().__init__(autocast=False, **kwargs)
        self.__dict__["weight"] = None

    def attach(self, weight: keras.Variable) -> None:
        """Sets the variable that this is a function of, without owning it."""
        self.__dict__["weight"] = weight

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.options}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kprune")
class Reparametrized(weight_wrapper.WeightWrapper):
    """Layer wrapper that computes with functions of the layer's weights.

    The layer runs with `part(w)` in place of a weight `w` (`kprune.Masked` has
    `where(mask, w, 0)`). A part is a small layer; `w` and the variables of the
    part are both trained.

    Args:
        layer: A Keras layer or model.
        parts: Dict from the name of a weight, relative to the layer, to its
            part: a `kprune.learned.SoftThreshold` or
            `kprune.learned.HardConcrete`.
        names: Dict from the same names to the weights' names in the model.
            Defaults to `"{layer name}/{name}"`.
        **kwargs: Arguments of a Keras layer.

    Example:

    >>> dense = keras.layers.Dense(4, name="fc")
    >>> layer = kprune.learned.Reparametrized(
    ...     dense, {"kernel": kprune.learned.SoftThreshold()})
    >>> layer(keras.ops.ones((1, 3))).shape
    TensorShape([1, 4])
    """

    freezes = False  # Whether all variables of the layer are frozen.

    def __init__(
        self,
        layer: keras.layers.Layer,
        parts: Mapping[str, Reparametrization],
        names: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, **kwargs)
        self.parts = dict(parts)
        default = {name: f"{layer.name}/{name}" for name in parts}
        # In `__dict__`, so that Keras does not track it.
        self.__dict__["names"] = dict(names or default)
        self._build_if_made()

    def _names(self):
        return self.parts

    def _attach(self, found):
        found = self._variables(found)
        if missing := set(self.parts) - set(found):
            raise ValueError(
                f"Layer {self.layer.name!r} has no weight {sorted(missing)}. "
                f"Expected names of: {sorted(found)}."
            )
        for name, part in self.parts.items():
            part.attach(found[name])
            if not part.built:
                part.build(tuple(found[name].shape))
        return [(found[name], part) for name, part in self.parts.items()]

    def _variables(self, found):
        """Returns the variables that may have a part, by name."""
        return {w.name: w.variable for w in found}

    def _shown(self, variable, part):
        return part(variable.value)

    def _assigned(self, variable, part, value):
        raise ValueError(
            f"A layer assigns its weight {variable.name!r} as it runs, and so "
            "would store a function of the weight in place of it. Expected a "
            "layer that does not; leave this one out by `exclude=`."
        )

    def _options(self):
        parts = {
            name: keras.saving.serialize_keras_object(part)
            for name, part in self.parts.items()
        }
        own = {"names": self.names, "trainable": self.trainable}
        return {"parts": parts, **own}

    @classmethod
    def _around(cls, layer, options, custom_objects=None):
        parts = {
            name: keras.saving.deserialize_keras_object(part, custom_objects)
            for name, part in options["parts"].items()
        }
        return cls(layer, **{**options, "parts": parts})

    def effective_weights(self) -> dict[str, Any]:
        """Returns the weights that the layer computes with at test time, a
        dict of tensors by name in the model."""
        pairs = zip(self.parts, self._pairs, strict=True)
        return {
            self.names[name]: part(variable.value, training=False)
            for name, (variable, part) in pairs
        }

    def results(
        self, seed: int | None = None
    ) -> dict[str, tuple[Any, np.ndarray]]:
        """Returns the effective weights and the masks of what they keep.

        Args:
            seed: Integer to draw random choices with, or `None` to round them.

        Returns:
            Dict from a weight's name in the model to a pair of its values, a
            tensor, and its mask, an array.
        """
        del seed
        return {
            name: (value, keras.ops.convert_to_numpy(value) != 0)
            for name, value in self.effective_weights().items()
        }

    def removed(self) -> Iterator[tuple[float, int]]:
        """Yields pairs (removed entries, all entries) of each weight."""
        for _, mask in self.results().values():
            yield mask.size - int(mask.sum()), mask.size

    def fold(self) -> list[keras.Variable]:
        """Assigns the effective weights to the layer's variables; returns
        these."""
        for variable, part in self._pairs:
            variable.assign(part(variable.value, training=False))
        return [variable for variable, _ in self._pairs]


@keras.saving.register_keras_serializable("kprune")
class SoftModel(ConstructedModel):
    """The class under which Keras saves reparametrized subclassed models."""

    _wrapper_class = Reparametrized  # type: ignore[assignment]

    @staticmethod
    def _keys(model):
        # By place: default names are other ones in every copy.
        return [str(place) for place, _ in enumerate(weights.children(model))]


def wrappers(layer):
    """Returns the `Reparametrized` layers of a model."""
    return weight_wrapper.wrappers(layer, Reparametrized)
