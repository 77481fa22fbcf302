"""Finds the weights that can be pruned, with names and layouts.

A variable's role (`kernel`, `embeddings` ...) decides whether it is prunable,
not its number of dimensions: a GRU's bias has two. `register_layer` makes
weights of custom layers with other names prunable.
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
        name: A name such as `"conv1/kernel"`, unique in the model and stable
            over save and load.
        variable: The Keras variable that stores the weight.
        layer: The layer that owns the variable.
        mask: The boolean mask variable, or `None` without a mask.
        layout: A `Layout`.
        skipped: Why the weight cannot be pruned, or `None`.
        note: Why the last pruning skipped it, or `None`.
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
    """A tuple of the weights of `model`, in order, as `find` returns it.

    Functions that look for the weights of a model also take a view of it, to
    avoid walking the model again. Later changes of the model do not show.
    """

    def __new__(cls, model, found):
        view = super().__new__(cls, found)
        view.model = model
        return view


def find(model, inside_wrapper=False):
    """Returns every weight that is prunable or looks as if it should be.

    Args:
        model: A built Keras model, wrapped or not, or a `View` of one.
        inside_wrapper: Whether `model` is a layer to wrap, so that its own
            weights can be pruned too.

    Returns:
        A `View`: a tuple of `Weight`, in the order of the model. Frozen
        weights, weights of unknown role and weights that a subclassed model
        itself owns have the reason in `skipped`.
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
    """Raises `ValueError` unless `model` is a built Keras model."""
    checks.model("model", model)
    unbuilt = any(not layer.built for layer in model.layers)
    if not model.built or (unbuilt and not model.variables):
        raise ValueError(
            f"Model {model.name!r} is not built, so it has no weights yet. "
            "Call it on data once, or give it an `keras.Input`, first."
        )


def named(model):
    """Yields (name, variable) for every variable that a layer of a model owns.

    Names have the form of those of `find`, also for variables that it does not
    list, such as `"bn1/gamma"`. Wrapping a model does not change them.
    """
    seen, taken = set(), set()
    owners = _owners(model, "", {}, set(), rebuilt=False)
    for prefix, layer, _, below in owners:
        for variable in _own_variables(layer.variables, below):
            if id(variable) not in seen:
                seen.add(id(variable))
                yield unique(f"{prefix}{variable.name}", taken), variable


def prunable(model):
    """Returns the weights that can be pruned, by name."""
    return {w.name: w for w in find(model) if w.skipped is None}


def output_names(model):
    """Returns the set of names of the weights of the model's output layers.

    For a subclassed model, that is the last layer that has weights.
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
    """Returns the names that match a name, a layer's name or a pattern.

    Args:
        pattern: `"fc1/kernel"`, `"fc1"` (all its weights) or a regular
            expression, which must match whole names.
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
    """Returns the names of `matching`; raises `ValueError` if it has none."""
    found = isinstance(pattern, str) and matching(pattern, names)
    if not found:
        raise ValueError(lookup.unknown(pattern, names, what))
    return found


def children(layer, rebuilt=False):
    """Returns the (name, sublayer) pairs of a layer.

    In a graph the name is the sublayer's own, otherwise it is that of the
    attribute that holds it. `rebuilt` says that a constructor, not a config,
    makes the sublayers on loading: default names such as `dense_17` differ in
    every copy then, so numbering restarts in each graph.
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
    """Returns the name, numbered if it is in `taken`, and adds it to that."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def plain_name(layer):
    """Returns the name that a layer has after stripping: its own, or the inner
    layer's if a wrapper adds to that."""
    named = hasattr(type(layer), "plain_name")
    return layer.plain_name if named else layer.name


def unwrapped(layer):
    """Returns the layer inside a `Masked` wrapper, or the layer itself."""
    return layer.layer if is_wrapper(layer) else layer


def is_wrapper(layer):
    """Returns whether a layer is a `Masked` wrapper."""
    # Not by class: its module imports this one.
    return hasattr(type(layer), "mask_of")


def _owners(layer, prefix, masks, visited, rebuilt):
    """Yields (name prefix, layer, masks by variable id, its sublayers) for a
    layer and all layers below it."""
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
    """Returns the variables of a layer that none of its sublayers has."""
    return _own_variables(layer.variables, [c for _, c in children(layer)])


def _own_variables(variables, below):
    """Returns the `variables` that no layer of `below` has."""
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
    """Returns whether a layer's variable stores a weight in integers."""
    mode = getattr(layer, "quantization_mode", None)
    stored_in_floats = keras.backend.is_float_dtype(variable.dtype)
    return mode is not None and not stored_in_floats


def _trains(layer, variable):
    return layer.trainable and variable.trainable
