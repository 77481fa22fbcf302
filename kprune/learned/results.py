"""Reads the weights and masks a model with learned sparsity ended with."""

import keras

from kprune.learned.reparametrized import wrappers
from kprune.masking import cloning, weights, wrapping
from kprune.runtime import checks
from kprune.runtime.doors import checked


@checked()
def effective_weights(model):
    """Returns the weights that the model computes with at test time.

    Args:
        model: A model that `kprune.learned.soft_threshold`,
            `kprune.learned.hard_concrete` or `kprune.select` returned.

    Returns:
        Dict from weight name to a NumPy array, of the weights that have a
        threshold, gates or a choice of their entries.

    Raises:
        ValueError: If the model is not one of these.

    Example:

    >>> model = kprune.learned.soft_threshold(model, exclude="fc.*")
    >>> sorted(kprune.learned.effective_weights(model))
    ['conv1/kernel', 'conv2/kernel']
    """
    return {
        name: keras.ops.convert_to_numpy(value)
        for wrapper in _learned(model)
        for name, value in wrapper.effective_weights().items()
    }


@checked()
def zeros(model):
    """Returns how many entries of each weight are exactly zero at test time.

    Args:
        model: As for `effective_weights`.

    Returns:
        Dict from weight name to an integer.

    Raises:
        ValueError: As `effective_weights`.
    """
    return {
        name: int((value == 0).sum())
        for name, value in effective_weights(model).items()
    }


@checked()
def sparsity(model):
    """Returns the share of the entries that is left out, in [0, 1].

    Of soft thresholds and gates, those exactly zero at test time. Of a
    supermask that is drawn, the expected share, 1 - mean of sigmoid(a).

    Args:
        model: As for `effective_weights`, whose weights count together.

    Raises:
        ValueError: As `effective_weights`.

    Example:

    >>> gated = kprune.learned.hard_concrete(model, examples=1438)
    >>> kprune.learned.sparsity(gated)
    0.0
    >>> kprune.learned.sparsity(kprune.select(model, "supermask"))
    0.5
    """
    found = [pair for wrapper in _learned(model) for pair in wrapper.removed()]
    removed, sizes = zip(*found, strict=True)
    return sum(removed) / sum(sizes)


@checked(seed=checks.optional(checks.integer))
def selected_masks(model, seed=None):
    """Returns what is kept of each weight.

    Args:
        model: As for `effective_weights`.
        seed: Integer to draw a supermask by. By default it is rounded: what
            has a chance of one half or more is kept. Others have no draws.

    Returns:
        Dict from weight name to a boolean array.

    Raises:
        ValueError: As `effective_weights`.

    Example:

    >>> net = kprune.select(model, "edge_popup", sparsity=0.75)
    >>> int(kprune.learned.selected_masks(net)["fc3/kernel"].sum())
    640
    """
    return {name: mask for name, (_, mask) in _results(model, seed).items()}


@checked(seed=checks.optional(checks.integer))
def to_masked(model, seed=None):
    """Returns a model with masks of what was learned, its weights to train on.

    The weights are those that `model` computes with at test time. The result
    is a model as `kprune.prune` returns it.

    Args:
        model: As for `effective_weights`. It is not modified.
        seed: As for `selected_masks`.

    Returns:
        A Keras model, compiled alike with a fresh optimizer if `model` is.
        Nothing is frozen any more that was not before.

    Raises:
        ValueError: As `effective_weights`.

    Example:

    >>> net = kprune.select(model, "edge_popup", sparsity=0.75)
    >>> kprune.report(kprune.learned.to_masked(net)).sparsity
    0.75
    """
    found = _results(model, seed)
    with cloning.strategy_scope(model):
        new = wrapping.wrap(wrapping.strip(model))
        for weight in weights.find(new):
            if weight.name in found:
                weight.variable.assign(found[weight.name][0])
        masks = {name: mask for name, (_, mask) in found.items()}
        wrapping.set_masks(new, masks)
        cloning.carry_compile(model, new)
    return new


def _results(model, seed):
    return {
        name: found
        for wrapper in _learned(model)
        for name, found in wrapper.results(seed).items()
    }


def _learned(model):
    """Returns the wrappers of the model, or raises `ValueError`."""
    found = wrappers(model) if isinstance(model, keras.Model) else []
    if not found:
        name = getattr(model, "name", type(model).__name__)
        raise ValueError(
            f"Model {name!r} has no sparsity that is learned. Expected a "
            "model returned by `kprune.learned.soft_threshold`, "
            "`kprune.learned.hard_concrete` or `kprune.select`."
        )
    return found
