"""Finds the weights that can be pruned, with names and layouts.

Prunable is decided by a variable's role (`kernel`, `embeddings` ...), not by
its number of dimensions: a GRU's bias has two. A layer of one's own whose
weights carry other names is made known with `register_layer`.
"""

import dataclasses
import re

import keras

from kprune.masking import layouts
from kprune.runtime import checks, keras_internals, lookup

_NEVER = ("bias", "gamma", "beta", "scale", "alpha")  # Dense by convention.


@dataclasses.dataclass(frozen=True, eq=False)
class Weight:
    """One weight tensor of a model, as kprune sees it.

    Args:
        name: Unique in the model and stable over save and load, such as
            `"conv1/kernel"`.
        variable: The Keras variable that stores it.
        layer: The layer that owns the variable.
        mask: The boolean mask variable, or `None` in a model not wrapped.
        layout: A `Layout`.
        skipped: Why it cannot be pruned, or `None`.
        note: Why the last pruning left it out, or `None`.
        keep_pruned_values: Whether pruned entries keep their stored values.
    """

    name: str
    variable: keras.Variable
    layer: keras.layers.Layer
    mask: keras.Variable | None
    layout: layouts.Layout
    skipped: str | None = None
    note: str | None = None
    keep_pruned_values: bool = False


class View(tuple):
    """The weights of a `model`, in its order: what `find` returns.

    What looks for the weights of a model takes a view of it as well, and does
    not walk through the model again. A view tells of the model as it was.
    """

    def __new__(cls, model, found):
        view = super().__new__(cls, found)
        view.model = model
        return view


def find(model, inside_wrapper=False):
    """Returns every weight that is prunable or looks as if it should be.

    Args:
        model: A built Keras model, wrapped or not, or a `View` of one.
        inside_wrapper: Whether `model` is a layer about to be wrapped, whose
            own weights are then in reach.

    Returns:
        A `View`: a tuple of `Weight`, in the order of the model. Frozen
        weights, weights of unknown role and weights that belong to a
        subclassed model itself are listed with the reason in `skipped`.
    """
    if isinstance(model, View):
        return model
    if not inside_wrapper:
        checks.model("model", model)
    found, seen, taken = [], set(), set()
    root = None if inside_wrapper else model
    owners = _owners(model, "", {}, set(), rebuilt=inside_wrapper)
    for prefix, layer, masks, below in owners:
        for variable in _own_variables(layer.weights, below):
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            layout = layouts.of(layer, variable)
            skipped = _why_skipped(root, layer, variable, layout)
            if layout is None and skipped is None and id(variable) not in masks:
                continue
            mask, keep, note = masks.get(id(variable), (None, False, None))
            found.append(
                Weight(
                    name=unique(f"{prefix}{variable.name}", taken),
                    variable=variable,
                    layer=layer,
                    mask=mask,
                    layout=layout or layouts.plain(variable.shape),
                    skipped=skipped,
                    note=note,
                    keep_pruned_values=keep,
                )
            )
    return View(model, found)


def check_built(model):
    """Raises `ValueError` unless it is a Keras model that has its weights."""
    checks.model("model", model)
    unbuilt = any(not layer.built for layer in model.layers)
    if not model.built or (unbuilt and not model.variables):
        raise ValueError(
            f"Model {model.name!r} is not built, so it has no weights yet. "
            "Call it on data once, or give it an `keras.Input`, first."
        )


def named(model):
    """Yields (name, variable) for every variable that a layer of a model owns.

    Names are those of `find` where that lists the weight, and made alike where
    it does not: `"bn1/gamma"`. They are the same for a model that is wrapped
    and one that is not.
    """
    seen, taken = set(), set()
    owners = _owners(model, "", {}, set(), rebuilt=False)
    for prefix, layer, _, below in owners:
        for variable in _own_variables(layer.variables, below):
            if id(variable) not in seen:
                seen.add(id(variable))
                yield unique(f"{prefix}{variable.name}", taken), variable


def prunable(model):
    """Returns the weights of `find` that nothing speaks against, by name."""
    return {w.name: w for w in find(model) if w.skipped is None}


def output_names(model):
    """Returns the names of the weights of the model's output layer.

    Of a subclassed model the last layer that has weights counts as such.
    """
    found = find(model)
    if keras_internals.is_graph(found.model):
        owned = set()
        for layer in keras_internals.output_layers(found.model):
            owned |= {id(v) for v in layer.variables}
        return {w.name for w in found if id(w.variable) in owned}
    owners = [w.name.rpartition("/")[0] for w in found]
    return {
        w.name
        for w, owner in zip(found, owners, strict=True)
        if owner == owners[-1]
    }


def matching(pattern, names):
    """Returns the names that a name, a layer's name or a pattern stands for.

    Args:
        pattern: `"fc1/kernel"`, `"fc1"` (all its weights) or a regular
            expression that matches whole names.
        names: Iterable of weight names.
    """
    names = list(names)
    exact = [n for n in names if n == pattern or n.startswith(f"{pattern}/")]
    if exact:
        return exact
    try:
        return [name for name in names if re.fullmatch(pattern, name)]
    except re.error:
        return []


def matched(pattern, names, what):
    """Returns the names of `matching`, or says which ones are near."""
    found = isinstance(pattern, str) and matching(pattern, names)
    if not found:
        raise ValueError(lookup.unknown(pattern, names, what))
    return found


def children(layer, rebuilt=False):
    """Returns the (name, sub-layer) pairs of a layer.

    The name is the layer's own in a graph, else the attribute that holds it. If
    a constructor, not a config, makes the layer anew on loading, it is
    `rebuilt`: default names such as `dense_17` then change with every copy, and
    are counted from the start of each graph instead.
    """
    if keras_internals.is_graph(layer):
        names = [plain_name(child) for child in layer.layers]
        if rebuilt:
            names = _renumbered(layer.layers)
        return list(zip(names, layer.layers, strict=True))
    found, taken = [], set()

    def collect(name, value):
        if isinstance(value, keras.layers.Layer):
            found.append((unique(name, taken), value))
        elif isinstance(value, dict):
            for key, item in value.items():
                collect(f"{name}/{key}", item)
        elif isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                collect(f"{name}/{i}", item)

    for name, value in keras_internals.attributes(layer):
        collect(name.lstrip("_"), value)
    return found


def _renumbered(layers):
    """Replaces default names, `dense_17`, by `dense`, `dense_1` and so on."""
    kinds = [keras_internals.default_name(unwrapped(x)) for x in layers]
    default = [
        re.fullmatch(rf"{kind}(_\d+)?", plain_name(layer))
        for kind, layer in zip(kinds, layers, strict=True)
    ]
    taken = {
        plain_name(layer)
        for layer, d in zip(layers, default, strict=True)
        if not d
    }
    return [
        unique(kind, taken) if d else plain_name(layer)
        for kind, layer, d in zip(kinds, layers, default, strict=True)
    ]


def unique(name, taken):
    """Returns the name, with a number if it is taken, and takes it."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def plain_name(layer):
    """Returns the name that a layer has once it is stripped: its own, or that
    of the layer in a wrapper which adds to it."""
    named = hasattr(type(layer), "plain_name")
    return layer.plain_name if named else layer.name


def unwrapped(layer):
    """Returns what a kprune wrapper holds, or the layer itself."""
    return layer.layer if is_wrapper(layer) else layer


def is_wrapper(layer):
    """Whether a layer is a kprune wrapper (`masking` imports this module)."""
    return hasattr(type(layer), "mask_of")


def _owners(layer, prefix, masks, visited, rebuilt):
    """Yields (prefix, layer, masks by variable id, its sub-layers) for all
    layers below."""
    if id(layer) in visited:
        return
    visited.add(id(layer))
    if is_wrapper(layer):
        masks = {**masks, **layer.mask_of()}
        yield from _owners(layer.layer, prefix, masks, visited, rebuilt)
        return
    rebuilt = rebuilt or not keras_internals.lists_layers(layer)
    pairs = children(layer, rebuilt)
    yield prefix, layer, masks, [child for _, child in pairs]
    for name, child in pairs:
        path = f"{prefix}{name}/"
        yield from _owners(child, path, masks, visited, rebuilt)


def own_variables(layer):
    """Returns the variables of a layer that no layer below it has."""
    return _own_variables(layer.variables, [c for _, c in children(layer)])


def _own_variables(variables, below):
    """Returns the variables of a layer that it made itself."""
    made_below = {id(v) for child in below for v in child.variables}
    return [v for v in variables if id(v) not in made_below]


def _why_skipped(root, layer, variable, layout):
    if getattr(layer, "lora_enabled", False) and len(variable.shape) > 1:
        own = variable.name.startswith("lora_")
        return "belongs to LoRA" if own else "LoRA adds to it"
    if layout is None:
        helps = variable.name.endswith(("_zero", "_scale"))
        whole = len(variable.shape) > 1 and not helps
        if whole and is_quantized(layer, variable):
            return f"stored as {variable.dtype}"
        kernel_like = len(variable.shape) > 1 and _trains(layer, variable)
        if kernel_like and variable.name not in _NEVER:
            return (
                f"unknown weight {variable.name!r} of layer class "
                f"{type(layer).__name__} (see kprune.register_layer)"
            )
        return None
    if is_quantized(layer, variable):
        return f"stored as {variable.dtype}"
    if layer is root:
        return "belongs to the model itself, not to a layer of it"
    if not _trains(layer, variable):
        return "frozen"
    if 0 in variable.shape:
        return "has no entries"
    return None


def is_quantized(layer, variable):
    """Whether a variable of a layer stores a weight in integers."""
    mode = getattr(layer, "quantization_mode", None)
    stored_in_floats = keras.backend.is_float_dtype(variable.dtype)
    return mode is not None and not stored_in_floats


def _trains(layer, variable):
    return layer.trainable and variable.trainable
