"""Wraps layers that a subclassed model's constructor makes.

The model's saved config holds the constructor's arguments and no wrappers. So
while such a model is wrapped, its class has a mixin whose config lists them.
"""

import functools

import keras

from kprune.masking import cloning, layer_copies, weights
from kprune.masking.masked import Masked
from kprune.runtime import keras_internals

_PLAIN: dict[str, type] = {}  # The users' classes, by registered name.


class ConstructedModel:
    """Mixin for the class of a model whose constructor makes the layers.

    The class keeps its name, its methods and its `isinstance` relations. The
    mixin adds a config that says which layers to wrap again on loading.

    Each subclass handles one class of wrapper; a saved model names it as its
    class.
    """

    plain_class = None
    _mixin = None  # In a mixed class: the subclass of this one it has.
    _wrapper_class = None

    @staticmethod
    def _keys(model):
        """Returns the keys of a model's sublayers in its saved config."""
        return [key for key, _ in weights.children(model, rebuilt=True)]

    @classmethod
    def _keyed_layers(cls, model):
        """Yields pairs (key in the saved config, sublayer); recurses into
        graphs nested in a graph."""
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
        """Returns a constructor's config without wrappers. `from_config` adds
        them once all layers exist, since several may hold the same layer."""
        name = keras.saving.get_registered_name
        mixin = cls._mixin or cls
        held = {name(cls._wrapper_class): "layer", name(mixin): "model"}
        return layer_copies.without_wrappers(config, held)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # `_PLAIN` has classes that the program defines but did not register.
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

        # `whole`, since kprune 0.1 wrapped graphs nested in a graph.
        return replace_layers(model, wrapped, cls._mixin or cls, whole=True)


@keras.saving.register_keras_serializable("kprune")
class WrappedModel(ConstructedModel):
    """The class that a saved subclassed model with masks names as its own."""

    _wrapper_class = Masked  # type: ignore[assignment]


def replace_layers(model, replace, mixin, whole=False):
    """Returns a model with layers replaced that can be saved and loaded.

    The arguments are those of `cloning.replace_layers`, and `mixin`, the
    subclass of `ConstructedModel` to mix into the classes of models whose
    constructors make the layers.
    """
    new = cloning.replace_layers(model, replace, whole)
    for one in constructed(new):
        one.__class__ = _wrapped_class(layer_copies.plain_class(one), mixin)
        keras_internals.forget_traces(keras_internals.traced_layers(one))
    return new


def constructed(model):
    """Returns the models whose constructors make their layers, among the model
    itself and graphs nested in its graph; none if its config lists layers."""
    if keras_internals.lists_layers(model):
        return []
    return _constructed(model)


def _constructed(model):
    """Does as `constructed`, also below a model whose config lists layers."""
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
    # Registered under the mixin's name, the one that a process which has only
    # imported kprune knows. `from_config` finds the user's class by the config.
    return keras.saving.register_keras_serializable("kprune", mixin.__name__)(
        wrapped
    )
