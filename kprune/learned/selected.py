"""`Selected`: the layer wrapper of learned selection."""

import keras
import tensorflow as tf

from kprune.learned.reparametrized import Reparametrized, SoftModel
from kprune.masking import weight_wrapper
from kprune.runtime import seeds


@keras.saving.register_keras_serializable("kprune")
class Selected(Reparametrized):
    """Wraps a layer so that its weights stay, and a choice of them is trained.

    All of the layer that would be trained is frozen: neither does it move nor
    does it have a gradient. A layer of batch normalization still normalizes
    with the statistics of the batch and gathers moving ones.

    Args:
        layer, parts, names: As for `kprune.learned.Reparametrized`. The parts
            are choices of entries, such as `kprune.learned.EdgePopup`, if any.

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

    def __init__(self, layer, parts, names=None, **kwargs):
        # Those that are frozen. In `__dict__`, past Keras' tracking.
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

    def freeze(self):
        """Freezes what Keras may have made trainable again."""
        for variable in self._frozen:
            variable.trainable = False

    @property
    def trainable(self):
        return keras.layers.Layer.trainable.fget(self)

    @trainable.setter
    def trainable(self, value):
        # Keras sets it on all that is below.
        keras.layers.Layer.trainable.fset(self, value)
        self.freeze()

    def _shown(self, variable, part):
        value = tf.stop_gradient(variable.value)
        return value if part is None else part(value)

    def choices(self):
        """Yields (name in the model, variable, part)."""
        for name, part in self.parts.items():
            yield self.names[name], part.weight, part

    def results(self, seed=None):
        found = {}
        for name, variable, part in self.choices():
            rng = None if seed is None else seeds.stream(seed, "draw", name)
            found[name] = part.effective(variable.value, rng)
        return found

    def removed(self):
        for _, variable, part in self.choices():
            size = variable.value.shape.num_elements()
            yield size - part.expected_kept(), size

    def effective_weights(self):
        return {name: value for name, (value, _) in self.results().items()}

    def fold(self):
        values, stored = self.effective_weights(), list(self.choices())
        for name, variable, _ in stored:
            variable.assign(values[name])
        for variable in self._frozen:
            variable.trainable = True
        return [variable for _, variable, _ in stored]


@keras.saving.register_keras_serializable("kprune")
class SelectedModel(SoftModel):
    """What a saved subclassed model of this kind names as its class."""

    _wrapper_class = Selected


def wrappers(model):
    """Returns the `Selected` layers of a model."""
    return weight_wrapper.wrappers(model, Selected)


def choices(model):
    """Returns the (name in the model, variable, part) of a model's choices."""
    return [one for wrapper in wrappers(model) for one in wrapper.choices()]
