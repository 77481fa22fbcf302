"""Layers whose config alone cannot rebuild them, made savable.

They hold smaller layers than their constructors make, or their classes omit
arguments from `get_config`, because only a model's constructor makes them.
"""

import copy
import functools
import inspect

import keras

from kprune.masking import cloning, layer_copies, weights
from kprune.runtime import keras_internals

# The classes that were mixed with `ResizedLayer`, by registered name.
_PLAIN: dict[str, type] = {}


@keras.saving.register_keras_serializable("kprune")
class ResizedLayer:
    """A mixin for a layer that holds other layers than its constructor makes.

    The class keeps its name, its methods and its `isinstance` relations; its
    config also lists the layers that replace those of the constructor. A model
    of such layers loads where kprune is imported.
    """

    def get_config(self):
        own = self.__dict__["_made_from"]
        own = {**own, "config": {**own["config"], "trainable": self.trainable}}
        layers = dict(_below(self))
        return {
            "name": self.name,
            "layer": own,
            "layers": {
                place: _described(layers[place], changes)
                for place, changes in self.__dict__["_resized"].items()
            },
        }

    def get_build_config(self):
        return None  # `from_config` returns a built layer.

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The class may be defined in `__main__`, and then not be importable.
        known = {**_PLAIN, **(custom_objects or {})}
        made_from = copy.deepcopy(config["layer"])
        layer = keras.saving.deserialize_keras_object(config["layer"], known)
        layer.name = config["name"]
        before, parts, changes = dict(_below(layer)), {}, {}
        with keras_internals.known_objects(keras_internals.all_layers(layer)):
            for place, found in config["layers"].items():
                parts[place] = _part(before[place], found, known)
                changes[place] = found.get("changes")
        return with_parts(_mixed(layer, made_from, {}), parts, changes)


def with_parts(layer, parts, changes):
    """Replaces some of the layers that a layer holds, in place; returns it.

    Args:
        layer: A built layer that is not used elsewhere. It is modified.
        parts: Dict from place, as `find` returns it, to the new layer.
        changes: Dict from place to the changed entries of the new layer's
            config, or `None` to save the new layer as a whole.
    """
    before = dict(_below(layer))
    new = {id(before[place]): part for place, part in parts.items()}
    made_from, resized = _origin(layer)
    for holder in keras_internals.all_layers(layer):
        keras_internals.swap_children(holder, lambda x: new.get(id(x), x))
    gone = tuple(f"{place}/" for place in parts)
    resized = {k: v for k, v in resized.items() if not k.startswith(gone)}
    for place, changed in changes.items():
        known = resized.get(place, {})
        whole = known is None or changed is None
        resized[place] = None if whole else {**known, **changed}
    return _mixed(layer, made_from, resized)


def of_smaller(layer, changes):
    """Returns a copy of a layer in which some layers are smaller.

    The copy has the layer's values, except for the smaller layers, which are
    newly initialized.

    Args:
        layer: A built layer.
        changes: Dict from place to the changed entries of the config of the
            layer there, and the shape of its input.
    """
    held, parts = dict(weights.children(layer)), {}
    for place, (changed, shape) in changes.items():
        parts[place] = layer_copies.from_config(
            weights.unwrapped(held[place]),
            lambda config, changed=changed: {**config, **changed},
        )
        parts[place].build(shape)
    configs = {place: changed for place, (changed, _) in changes.items()}
    return with_parts(copied(layer), parts, configs)


def _described(layer, changes):
    """Returns the serialized form of a layer: only its changes where possible,
    as the whole config may hold functions that cannot be saved."""
    if changes is None:
        return keras.saving.serialize_keras_object(layer)
    return {
        "changes": changes,
        "build_config": layer.get_build_config(),
        "trainable": layer.trainable,
    }


def _part(before, found, known):
    if "changes" not in found:
        return keras.saving.deserialize_keras_object(found, known)
    new = layer_copies.from_config(
        before, lambda config: {**config, **found["changes"]}
    )
    new.build_from_config(found["build_config"])
    new.trainable = found["trainable"]
    return new


def _mixed(layer, made_from, resized):
    if not isinstance(layer, ResizedLayer):
        layer.__class__ = _resized_class(type(layer))
    layer.__dict__["_made_from"] = made_from
    layer.__dict__["_resized"] = resized
    return layer


def copied(layer):
    """Returns a copy of a layer, with values.

    If its config cannot recreate it, the constructor's arguments are taken
    from attributes of the same names.
    """
    try:
        new = cloning.plain_copy(layer)
    except ValueError as error:
        try:
            new = _remade(layer)
        except Exception:
            raise error from None
    new.name = layer.name
    return new


def _remade(layer):
    plain = type(layer)
    config = {"name": layer.name, "trainable": layer.trainable}
    config["dtype"] = keras.dtype_policies.serialize(layer.dtype_policy)
    try:
        known = layer.get_config()
    except Exception:  # `get_config` is missing or raises.
        known = {}
    for argument in inspect.signature(plain.__init__).parameters:
        if argument in known:
            config[argument] = known[argument]
        elif hasattr(layer, argument):
            value = getattr(layer, argument)
            config[argument] = keras.saving.serialize_keras_object(value)
    made_from = {
        "module": plain.__module__,
        "class_name": plain.__name__,
        "registered_name": keras.saving.get_registered_name(plain),
        "config": config,
        "build_config": layer.get_build_config(),
    }
    new = keras.saving.deserialize_keras_object(made_from)
    layer_copies.copy_values(layer, new)
    return _mixed(new, made_from, {})


def find(layer, wanted):
    """Returns a dict from place to layer of the wanted layers below a layer.

    `wanted` is a function from a layer to a boolean; layers below a wanted one
    are left out.
    """
    return dict(_below(layer, wanted))


def _origin(layer):
    """Returns the serialized layer that the constructor makes, and the changes
    by place of the layers replaced in it."""
    if isinstance(layer, ResizedLayer):
        return layer.__dict__["_made_from"], layer.__dict__["_resized"]
    return keras.saving.serialize_keras_object(layer), {}


def _below(layer, wanted=None, prefix=""):
    for name, child in weights.children(layer):
        place, child = prefix + name, weights.unwrapped(child)
        is_wanted = wanted is not None and wanted(child)
        if is_wanted or wanted is None:
            yield place, child
        if not is_wanted:
            yield from _below(child, wanted, f"{place}/")


@functools.cache
def _resized_class(plain):
    _PLAIN[keras.saving.get_registered_name(plain)] = plain
    mixed = type(
        plain.__name__, (ResizedLayer, plain), {"__module__": plain.__module__}
    )
    # All such classes share one registered name, which is known wherever kprune
    # is imported: `from_config` finds the user's class from the config.
    register = keras.saving.register_keras_serializable
    return register("kprune", ResizedLayer.__name__)(mixed)
