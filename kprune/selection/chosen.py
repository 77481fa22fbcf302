"""What a model whose weights are chosen from has chosen."""

import keras

from kprune import cloning, masking, weights
from kprune.selection.wrapper import wrappers


def selected_masks(model, seed=None):
    """Returns what is kept of each weight.

    Args:
        model: A model that `kprune.select` returned.
        seed: Integer to draw a supermask by. By default it is rounded: what
            has a chance of one half or more is kept. Others have no draws.

    Returns:
        Dict from weight name to a boolean array.

    Raises:
        ValueError: If the model is another.

    Example:

    >>> net = kprune.select(model, "edge_popup", sparsity=0.75)
    >>> int(kprune.selection.selected_masks(net)["fc3/kernel"].sum())
    640
    """
    return {name: mask for name, (_, mask) in _selected(model, seed).items()}


def sparsity(model):
    """Returns the share of the weights that is left out, of all together.

    Of a supermask that is drawn it is the expected share, 1 - mean of
    sigmoid(a).

    Args:
        model: A model that `kprune.select` returned.

    Raises:
        ValueError: If the model is another.

    Example:

    >>> kprune.selection.sparsity(kprune.select(model, "supermask"))
    0.5
    """
    check_selected(model)
    found = [
        (part.expected_kept(), variable.value.shape.num_elements())
        for wrapper in wrappers(model)
        for _, variable, part in wrapper.choices()
    ]
    kept, sizes = zip(*found, strict=True)
    return 1 - sum(kept) / sum(sizes)


def harden(model, seed=None):
    """Returns a model with masks of what was chosen, its weights to train on.

    Args:
        model: A model that `kprune.select` returned. It is left as it was.
        seed: As for `selected_masks`.

    Returns:
        A Keras model as `kprune.prune` returns it, compiled alike with a
        fresh optimizer if `model` is. Nothing is frozen any more that was not
        before.

    Raises:
        ValueError: If the model is another.

    Example:

    >>> net = kprune.select(model, "edge_popup", sparsity=0.75)
    >>> kprune.report(kprune.selection.harden(net)).sparsity
    0.75
    """
    selected = _selected(model, seed)
    with cloning.strategy_scope(model):
        new = masking.wrap(masking.strip(model))
    for weight in weights.find(new):
        if weight.name in selected:
            weight.variable.assign(selected[weight.name][0])
    masking.set_masks(new, {name: mask for name, (_, mask) in selected.items()})
    return new


def check_selected(model):
    """Raises unless a choice of the model's weights is trained."""
    if not isinstance(model, keras.Model) or not wrappers(model):
        name = getattr(model, "name", type(model).__name__)
        raise ValueError(
            f"Of model {name!r} no choice of weights is trained. Expected a "
            "model returned by `kprune.select`."
        )


def _selected(model, seed):
    check_selected(model)
    return {
        name: found
        for wrapper in wrappers(model)
        for name, found in wrapper.selected(seed).items()
    }
