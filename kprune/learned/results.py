"""Reads the weights and masks a model with learned sparsity ended with."""

import keras
import numpy as np

from kprune.learned.reparametrized import wrappers
from kprune.masking import cloning, weights, wrapping
from kprune.runtime import checks, types
from kprune.runtime.doors import checked


@checked()
def effective_weights(model: types.Model) -> dict[str, np.ndarray]:
    """Returns the weights that the model computes with at test time.

    Args:
        model: A model from `kprune.learned.soft_threshold`,
            `kprune.learned.hard_concrete` or `kprune.select`.

    Returns:
        Dict from weight name to a NumPy array, for the weights with a
        threshold, gates or a selection.

    Raises:
        ValueError: If the model is none of these.

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
def zeros(model: types.Model) -> dict[str, int]:
    """Returns the number of exact zeros of each weight at test time.

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
def sparsity(model: types.Model) -> float:
    """Returns the share of removed entries over all weights, in [0, 1].

    Entries under soft thresholds and gates count as removed if they are
    exactly zero at test time. A drawn supermask counts with its expected
    share, 1 - mean of sigmoid(a).

    Args:
        model: As for `effective_weights`.

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
def selected_masks(
    model: types.Model, seed: int | None = None
) -> dict[str, np.ndarray]:
    """Returns the masks of kept entries.

    Args:
        model: As for `effective_weights`.
        seed: Integer to draw a supermask with. By default supermasks are
            rounded: entries with a probability of at least 1/2 are kept. Other
            methods do not draw.

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
def to_masked(model: types.Model, seed: int | None = None) -> types.Model:
    """Converts a learned sparsity to masks, for training the kept weights.

    The result is a wrapped model as from `kprune.prune`, with the weights that
    `model` computes with at test time.

    Args:
        model: As for `effective_weights`. It is not modified.
        seed: As for `selected_masks`.

    Returns:
        A Keras model, compiled like `model` with a fresh optimizer if `model`
        is compiled. Weights frozen by `kprune.select` are trainable again.

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
    """Returns the wrappers of a model; raises `ValueError` if it has none."""
    found = wrappers(model) if isinstance(model, keras.Model) else []
    if not found:
        name = getattr(model, "name", type(model).__name__)
        raise ValueError(
            f"Model {name!r} has no sparsity that is learned. Expected a "
            "model returned by `kprune.learned.soft_threshold`, "
            "`kprune.learned.hard_concrete` or `kprune.select`."
        )
    return found
