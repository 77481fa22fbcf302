"""Models whose layers a constructor makes, while these are wrapped.

Their saved config is that of the constructor, which knows of no wrapper. So
while such a model is wrapped, its class is mixed with one that does.
"""

import functools

import keras

from kprune.masking import cloning, layer_copies, weights
from kprune.masking.masked import Masked
from kprune.runtime import keras_internals

_PLAIN = {}  # The classes that were mixed with one, by registered name.


class ConstructedModel:
    """Mixed into the class of a model whose constructor makes the layers.

    The class keeps its name, its methods and its `isinstance` relations; what
    is added is a config that says which layers to wrap again on loading.

    A subclass is for one class of wrapper, and is what a saved model names as
    its class.
    """

    plain_class = None
    _mixin = None  # The subclass of this one, in a class mixed with it.
    _wrapper_class = None

    @staticmethod
    def _keyed_layers(model):
        """Returns pairs (key in the saved config, sub-layer)."""
        return weights.children(model, rebuilt=True)

    def get_config(self):
        plain = self.plain_class
        return {
            "model": {
                "module": plain.__module__,
                "class_name": plain.__name__,
                "registered_name": keras.saving.get_registered_name(plain),
                "config": layer_copies.constructor_config(self),
                "build_config": self.get_build_config(),
            },
            "wrappers": {
                key: child._options()
                for key, child in self._keyed_layers(self)
                if isinstance(child, self._wrapper_class)
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The class may have been defined in the program itself.
        model = keras.saving.deserialize_keras_object(
            config["model"], {**_PLAIN, **(custom_objects or {})}
        )
        keys = {id(layer): key for key, layer in cls._keyed_layers(model)}

        def wrapped(layer):
            options = config["wrappers"].get(keys.get(id(layer)))
            if options is None or isinstance(layer, cls._wrapper_class):
                return None
            return cls._wrapper_class._around(layer, options, custom_objects)

        return replace_layers(model, wrapped, cls._mixin or cls)


@keras.saving.register_keras_serializable("kprune")
class WrappedModel(ConstructedModel):
    """What a saved subclassed model with masks names as its class."""

    _wrapper_class = Masked


def replace_layers(model, replace, mixin):
    """Returns a model with layers replaced, ready to be saved and loaded.

    As of `cloning.replace_layers`. `mixin` is a subclass of `ConstructedModel`
    for the class of a model whose constructor makes the layers.
    """
    new = cloning.replace_layers(model, replace)
    if not keras_internals.lists_layers(new):
        new.__class__ = _wrapped_class(layer_copies.plain_class(new), mixin)
        keras_internals.forget_traces(keras_internals.traced_layers(new))
    return new


@functools.cache
def _wrapped_class(plain, mixin):
    """Returns the class that a model of class `plain` has while wrapped."""
    _PLAIN[keras.saving.get_registered_name(plain)] = plain
    wrapped = type(
        plain.__name__,
        (mixin, plain),
        {
            "plain_class": plain,
            "_mixin": mixin,
            "__module__": plain.__module__,
        },
    )
    # All under the one name that a process which has only imported kprune
    # knows: `from_config` finds the user's class from the config.
    return keras.saving.register_keras_serializable("kprune", mixin.__name__)(
        wrapped
    )
