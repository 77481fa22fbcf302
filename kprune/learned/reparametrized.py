"""The wrapper that computes with functions of the weights."""

import keras

from kprune.masking import weight_wrapper, weights
from kprune.masking.subclassed_models import ConstructedModel


class Reparametrization(keras.layers.Layer):
    """A differentiable function of one weight of a layer.

    A subclass makes its variables in `build`, from the weight's shape, and
    returns a tensor of that shape from `call`. `options` names the attributes
    that its config has.
    """

    options = ()

    def __init__(self, **kwargs):
        # Whatever half precision the layer computes in, thresholds and gates
        # are trained and applied in full.
        super().__init__(autocast=False, **kwargs)
        self.__dict__["weight"] = None

    def attach(self, weight):
        """Tells the part whose function it is: it does not own the weight."""
        self.__dict__["weight"] = weight

    def get_config(self):
        own = {name: getattr(self, name) for name in self.options}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kprune")
class Reparametrized(weight_wrapper.WeightWrapper):
    """Wraps a layer so that it computes with functions of its weights.

    The layer runs with `part(w)`, not, as in `kprune.Masked`, with
    `where(mask, w, 0)`, in place of a weight `w`. A part is a small layer; both
    `w` and the variables of the part are trained.

    Args:
        layer: A Keras layer, a whole model included.
        parts: Dict from the name of a weight, relative to the layer, to its
            part: a `kprune.learned.SoftThreshold` or
            `kprune.learned.HardConcrete`.
        names: Dict from such a name to the weight's name in the model.
            Defaults to the name of the layer before it.

    Example:

    >>> dense = keras.layers.Dense(4, name="fc")
    >>> layer = kprune.learned.Reparametrized(
    ...     dense, {"kernel": kprune.learned.SoftThreshold()})
    >>> layer(keras.ops.ones((1, 3))).shape
    TensorShape([1, 4])
    """

    freezes = False  # Whether all else of the layer is frozen.

    def __init__(self, layer, parts, names=None, **kwargs):
        super().__init__(layer, **kwargs)
        self.parts = dict(parts)
        default = {name: f"{layer.name}/{name}" for name in parts}
        # A plain dict in `__dict__`, past Keras' tracking.
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

    def effective_weights(self):
        """Returns what the layer computes with at test time, a dict of tensors
        by the weights' names in the model."""
        pairs = zip(self.parts, self._pairs, strict=True)
        return {
            self.names[name]: part(variable.value, training=False)
            for name, (variable, part) in pairs
        }

    def results(self, seed=None):
        """Returns what is left of the weights, a dict from a weight's name in
        the model to the values, a tensor, and the mask, an array, of those
        that are not zero. Random choices are drawn by the seed."""
        del seed
        return {
            name: (value, keras.ops.convert_to_numpy(value) != 0)
            for name, value in self.effective_weights().items()
        }

    def removed(self):
        """Yields how many entries of each weight are out, and of how many."""
        for _, mask in self.results().values():
            yield mask.size - int(mask.sum()), mask.size

    def fold(self):
        """Stores what the layer computes with at test time as its weights, and
        returns these variables."""
        for variable, part in self._pairs:
            variable.assign(part(variable.value, training=False))
        return [variable for variable, _ in self._pairs]


@keras.saving.register_keras_serializable("kprune")
class SoftModel(ConstructedModel):
    """What a saved subclassed model of this kind names as its class."""

    _wrapper_class = Reparametrized

    @staticmethod
    def _keys(model):
        # By place: default names are other ones in every copy.
        return [str(place) for place, _ in enumerate(weights.children(model))]


def wrappers(layer):
    """Returns the `Reparametrized` layers of a model."""
    return weight_wrapper.wrappers(layer, Reparametrized)
