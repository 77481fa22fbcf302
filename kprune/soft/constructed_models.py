"""Models whose layers a constructor makes, while these are reparametrized.

Their saved config is that of the constructor, which knows of no wrapper. So,
as in `kprune.wrapped_models` for masks, the class of such a model is mixed
with one that does.
"""

import functools

import keras

from kprune import cloning, keras_internals, weights
from kprune.soft.wrapper import Reparametrized


class _SoftModel:
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
            # By place: default names are other ones in every copy.
            "wrappers": {
                str(place): _without_layer(child.get_config())
                for place, (_, child) in enumerate(weights.children(self))
                if isinstance(child, Reparametrized)
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The class may have been defined in the program itself.
        known = [c.plain_class for c in _SoftModel.__subclasses__()]
        known = {keras.saving.get_registered_name(c): c for c in known if c}
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects={**known, **(custom_objects or {})}
        )
        places = {
            id(layer): str(place)
            for place, (_, layer) in enumerate(weights.children(model))
        }

        def wrapped(layer):
            options = config["wrappers"].get(places.get(id(layer)))
            if options is None or isinstance(layer, Reparametrized):
                return None
            return Reparametrized.around(layer, options, custom_objects)

        return replace_layers(model, wrapped)


@keras.saving.register_keras_serializable("kprune")
class SoftModel(_SoftModel):
    """What a saved subclassed model of this kind names as its class."""


def replace_layers(model, replace):
    """Returns a model with layers replaced, ready to be saved and loaded.

    Args:
        model: A model without wrappers that nobody else uses.
        replace: Function from a layer to what to put in its place, or `None`.
    """
    new = cloning.replace_layers(model, replace)
    if not keras_internals.lists_layers(new):
        new.__class__ = _soft_class(cloning.plain_class(new))
    return new


def _without_layer(config):
    return {k: v for k, v in config.items() if k != "layer"}


@functools.cache
def _soft_class(plain):
    """Returns the class that a model of class `plain` has meanwhile."""
    soft = type(
        plain.__name__,
        (_SoftModel, plain),
        {"plain_class": plain, "__module__": plain.__module__},
    )
    # All under the one name that a process which has only imported kprune
    # knows: `from_config` finds the user's class from the config.
    return keras.saving.register_keras_serializable("kprune", "SoftModel")(soft)
