"""Wraps layers that a subclassed model's constructor makes.

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
    def _keys(model):
        """Returns the keys in the saved config of what is below a model."""
        return [key for key, _ in weights.children(model, rebuilt=True)]

    @classmethod
    def _keyed_layers(cls, model):
        """Yields pairs (key in the saved config, sub-layer), through graphs
        that are nested in a graph."""
        children = [child for _, child in weights.children(model)]
        graph = keras_internals.is_graph(model)
        for key, child in zip(cls._keys(model), children, strict=True):
            yield key, child
            if graph and keras_internals.is_graph(child):
                for inner, layer in cls._keyed_layers(child):
                    yield f"{key}/{inner}", layer

    def get_config(self):
        plain = self.plain_class
        config = layer_copies.constructor_config(self)
        return {
            "model": {
                "module": plain.__module__,
                "class_name": plain.__name__,
                "registered_name": keras.saving.get_registered_name(plain),
                "config": self._plain_config(config),
                "build_config": self.get_build_config(),
            },
            "wrappers": {
                key: child._options()
                for key, child in self._keyed_layers(self)
                if isinstance(child, self._wrapper_class)
            },
        }

    @classmethod
    def _plain_config(cls, config):
        """Returns a constructor's config without wrappers: they are put on
        again once all layers stand, for some may be held by several."""
        name = keras.saving.get_registered_name
        mixin = cls._mixin or cls
        held = {name(cls._wrapper_class): "layer", name(mixin): "model"}
        return layer_copies.without_wrappers(config, held)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The class may have been defined in the program itself.
        model = keras.saving.deserialize_keras_object(
            cls._plain_config(config["model"]),
            {**_PLAIN, **(custom_objects or {})},
        )
        keys = {id(layer): key for key, layer in cls._keyed_layers(model)}

        def wrapped(layer):
            options = config["wrappers"].get(keys.get(id(layer)))
            if options is None or isinstance(layer, cls._wrapper_class):
                return None
            return cls._wrapper_class._around(layer, options, custom_objects)

        # As kprune 0.1 wrapped graphs that are nested in a graph.
        return replace_layers(model, wrapped, cls._mixin or cls, whole=True)


@keras.saving.register_keras_serializable("kprune")
class WrappedModel(ConstructedModel):
    """What a saved subclassed model with masks names as its class."""

    _wrapper_class = Masked


def replace_layers(model, replace, mixin, whole=False):
    """Returns a model with layers replaced, ready to be saved and loaded.

    As of `cloning.replace_layers`. `mixin` is a subclass of `ConstructedModel`
    for the classes of models whose constructors make the layers.
    """
    new = cloning.replace_layers(model, replace, whole)
    for one in constructed(new):
        one.__class__ = _wrapped_class(layer_copies.plain_class(one), mixin)
        keras_internals.forget_traces(keras_internals.traced_layers(one))
    return new


def constructed(model):
    """Returns the models whose constructors make the layers: the model, if it
    is one, and graphs that are nested in its graph."""
    if keras_internals.lists_layers(model):
        return []
    return _constructed(model)


def _constructed(model):
    """As `constructed`, of a model that is nested in one."""
    found = [] if keras_internals.lists_layers(model) else [model]
    if keras_internals.is_graph(model):
        for _, child in weights.children(model):
            if keras_internals.is_graph(child):
                found += _constructed(child)
    return found


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
