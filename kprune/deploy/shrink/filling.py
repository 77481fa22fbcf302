"""Assigns values to rebuilt layers, cut from the original's."""

import keras

from kprune.deploy.shrink import sizes
from kprune.graph import calls as graph_calls
from kprune.masking import layer_copies, weights, wrapping


def fill(builder, view):
    """Assigns values to the layers that a builder has made.

    Args:
        builder: A builder of `kprune.deploy.shrink.rebuild`.
        view: A `weights.View` of the model.

    Returns:
        List of (variable of the model, new variable, list of the (axis,
        indices) kept).
    """
    # From the id of an old variable to (new variables by name, its name).
    places = {}
    pairs, merging = _pairs(builder, places), _merging(builder)
    with wrapping.masked(view):
        values = [
            sizes.cut(_folded(builder, merging, old), kept)
            for old, _, kept in pairs
        ]
    for (_, variable, _), value in zip(pairs, values, strict=True):
        variable.assign(value)
    _set_new_biases(builder, places)
    return pairs


def _pairs(builder, places):
    found = []
    for old, new in builder.new.items():
        vars(new).pop("add_weight", None)
        if old in builder.calls and isinstance(old, keras.layers.Layer):
            by_name = _named(new)
            for name, variable in _named(old).items():
                places[id(variable)] = by_name, name
                kept = builder.cuts.get(id(variable), [])
                found.append((variable, by_name[name], kept))
        elif isinstance(old, keras.layers.Layer) and not (
            id(old) in builder.decision.analysis.graph.entries
            or graph_calls.followable(old)
            or builder.shrinks_within(old)
        ):
            own = zip(layer_copies.values(old), new.variables, strict=True)
            found += [(a, b, []) for a, b in own]
    return found + builder.rest


def _named(layer):
    """Returns a layer's variables and states, by names that its smaller copy
    shares."""
    states = enumerate(layer_copies.states(layer))
    return dict(weights.named(layer)) | {f"state {i}": v for i, v in states}


def _merging(builder):
    """Returns a dict from the id of a kernel variable that takes over constant
    channels to its `Kernel` and `Fold.merged`."""
    return {
        id(reader.layer.kernel): (reader.kernel, fold.merged)
        for reader, fold in builder.decision.folds.items()
        if fold.merged is not None
    }


def _folded(builder, merging, variable):
    """Returns the value of a variable with constants folded into it."""
    value = keras.ops.convert_to_numpy(variable)
    if id(variable) in builder.added:
        value = value + builder.added[id(variable)]
    if id(variable) in merging:
        kernel, merged = merging[id(variable)]
        value = kernel.merged(value, *merged)
    return value


def _set_new_biases(builder, places):
    """Assigns the biases of new layers whose originals have none."""
    for layer, bias in builder.biases.items():
        if id(layer.variables[0]) in places:  # Not every layer is rebuilt.
            by_name, name = places[id(layer.variables[0])]
            path = name.rpartition("/")[0]
            by_name[f"{path}/bias".lstrip("/")].assign(bias)
