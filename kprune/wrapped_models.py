"""Models whose layers a constructor makes, while these are wrapped.

Their saved config is that of the constructor, which knows of no wrapper. So
while such a model is wrapped, its class is mixed with one that does.
"""

import functools

import keras

from kprune import cloning, keras_internals, weights
from kprune.wrapper import Masked


class _WrappedModel:
    """Mixed into the class of a model whose constructor makes the layers.

    The class keeps its name, its methods and its `isinstance` relations; what
    is added is a config that says which layers to wrap again on loading.
    """

    plain_class = None

    def get_config(self):
        plain = self.plain_class
        return {
            "model": {
                "module": plain.__module__,
                "class_name": plain.__name__,
                "registered_name": keras.saving.get_registered_name(plain),
                "config": cloning.constructor_config(self),
                "build_config": self.get_build_config(),
            },
            "wrappers": {
                name: {
                    "live": child.live,
                    "dense_gradients": child.dense_gradients,
                    "masked": child.masked,
                    "notes": child.notes,
                }
                for name, child in weights.children(self, rebuilt=True)
                if isinstance(child, Masked)
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The class may have been defined in the program itself.
        known = [c.plain_class for c in _WrappedModel.__subclasses__()]
        known = {keras.saving.get_registered_name(c): c for c in known if c}
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects={**known, **(custom_objects or {})}
        )
        names = {id(x): n for n, x in weights.children(model, rebuilt=True)}

        def masked(layer):
            options = config["wrappers"].get(names.get(id(layer)))
            return None if options is None else Masked(layer, **options)

        return replace_layers(model, masked)


@keras.saving.register_keras_serializable("kprune")
class WrappedModel(_WrappedModel):
    """What a saved subclassed model with masks names as its class."""


def replace_layers(model, replace):
    """Returns a model with layers replaced, ready to be saved and loaded.

    Args:
        model: A model without wrappers that nobody else uses.
        replace: Function from a layer to what to put in its place, or `None`.
    """
    new = cloning.replace_layers(model, replace)
    if not keras_internals.lists_layers(new):
        new.__class__ = _wrapped_class(cloning.plain_class(new))
    return new


@functools.cache
def _wrapped_class(plain):
    """Returns the class that a model of class `plain` has while wrapped."""
    wrapped = type(
        plain.__name__,
        (_WrappedModel, plain),
        {"plain_class": plain, "__module__": plain.__module__},
    )
    # All under the one name that a process which has only imported kprune
    # knows: `from_config` finds the user's class from the config.
    return keras.saving.register_keras_serializable("kprune", "WrappedModel")(
        wrapped
    )
