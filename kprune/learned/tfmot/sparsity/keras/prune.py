"""Wraps a model's layers for pruning, and unwraps them."""

import contextlib
from typing import Any

import keras

from kprune.learned.tfmot.sparsity.keras.mask_rule import MaskRule
from kprune.learned.tfmot.sparsity.keras.prunable_layer import (
    has_weights_to_prune,
)
from kprune.learned.tfmot.sparsity.keras.pruning_policy import PruningPolicy
from kprune.learned.tfmot.sparsity.keras.pruning_schedule import (
    HALF,
    PruningSchedule,
)
from kprune.learned.tfmot.sparsity.keras.pruning_wrapper import (
    PruneLowMagnitude,
    check_known,
    collect_prunable_layers,
)
from kprune.learned.tfmot.wrapping import check_graph, check_kind, each_layer
from kprune.masking import cloning, wrapping
from kprune.runtime import checks, types
from kprune.runtime.doors import checked


@checked(
    pruning_policy=checks.optional(
        checks.of_class(PruningPolicy, "a PruningPolicy")
    )
)
def prune_low_magnitude(
    to_prune: keras.layers.Layer | list[keras.layers.Layer],
    pruning_schedule: PruningSchedule = HALF,
    block_size: tuple[int, int] | list[int] = (1, 1),
    block_pooling_type: str = "AVG",
    pruning_policy: PruningPolicy | None = None,
    sparsity_m_by_n: tuple[int, int] | list[int] | None = None,
    **kwargs: Any,
) -> Any:
    """Wraps a layer or a model for magnitude pruning during training.

    Train it with the callback `UpdatePruningStep`, then call `strip_pruning`.

    Args:
        to_prune: A Keras layer, a list of layers, or a Sequential or
            Functional model. A model is not modified (in TFMOT the result
            shares its layers); single layers are wrapped themselves.
        pruning_schedule: A `PruningSchedule`. Defaults to constant sparsity
            0.5, with an update every 100 steps.
        block_size: Height and width of the blocks of a matrix that are removed
            together. Defaults to (1, 1).
        block_pooling_type: `"AVG"` (default) or `"MAX"`: whether a block ranks
            by its mean or its largest magnitude.
        pruning_policy: A `PruningPolicy` that chooses the layers of a model to
            wrap. Defaults to all with weights to prune.
        sparsity_m_by_n: `None`, or integers (m, n): the first step removes m
            of each n consecutive inputs of an output for good, and the
            schedule is ignored.
        **kwargs: Arguments of the wrapper of a layer, such as `input_shape`.

    Returns:
        A wrapped layer, a list of them, or a model that is not compiled.

    Raises:
        ValueError: If an argument is invalid, a layer is of a class that TFMOT
            does not prune, or the pattern does not fit the rank of a weight.

    Example:

    >>> sparsity = kprune.tfmot.sparsity.keras
    >>> pruned = sparsity.prune_low_magnitude(
    ...     model, sparsity.PolynomialDecay(0.2, 0.8, 0, 40, frequency=10))
    >>> pruned.compile("adam", "sparse_categorical_crossentropy")
    >>> history = pruned.fit(
    ...     train, callbacks=[sparsity.UpdatePruningStep()], verbose=0)
    >>> plain = sparsity.strip_pruning(pruned)
    """
    rule: dict[str, Any] = {
        "pruning_schedule": pruning_schedule,
        "block_size": block_size,
        "block_pooling_type": block_pooling_type,
        "sparsity_m_by_n": sparsity_m_by_n,
    }
    MaskRule(*rule.values())  # Validates them.

    def wrapped(layer, **more):
        if isinstance(layer, PruneLowMagnitude | keras.layers.InputLayer):
            return layer
        check_known(layer)
        some = has_weights_to_prune(layer)
        return PruneLowMagnitude(layer, **rule, **more) if some else layer

    check_kind("to_prune", to_prune)
    if isinstance(to_prune, list):
        return [wrapped(layer) for layer in to_prune]
    if not isinstance(to_prune, keras.Model):
        return wrapped(to_prune, **kwargs)
    instead = "kprune.wrap and kprune.callbacks.GradualPruning"
    check_graph("to_prune", to_prune, instead, PruneLowMagnitude)
    if pruning_policy is not None:
        pruning_policy.ensure_model_supports_pruning(to_prune)
    return _wrap_layers(to_prune, wrapped, pruning_policy)


def _wrap_layers(model, wrapped, policy):
    """Returns a copy of a model with wrapped layers; copies of wrappers keep
    their rules and states."""
    old = {w.layer: w for w in collect_prunable_layers(model)}
    pairs = []

    def to_wrap(layer):
        return policy is None or policy.allow_pruning(layer)

    for layer in each_layer(model):
        if not isinstance(layer, PruneLowMagnitude) and to_wrap(layer):
            check_known(layer)

    def dress(layer, copy):
        if layer in old:
            pairs.append((old[layer], old[layer].around(copy)))
            return pairs[-1][1]
        return wrapped(copy) if to_wrap(layer) else None

    with cloning.strategy_scope(model):
        new = cloning.plain_copy(model, dress=dress)
        for before, after in pairs:
            for a, b in zip(before.variables, after.variables, strict=True):
                b.assign(a)
    return new


@checked()
def strip_pruning(model: types.Model) -> types.Model:
    """Returns a plain Keras model with the pruned weights.

    Args:
        model: A model with layers of `prune_low_magnitude`. It is not
            modified.

    Returns:
        A Keras model with its original names, compiled like `model` with a
        fresh optimizer if `model` is compiled.
    """
    return wrapping.strip(model)


def prune_scope() -> contextlib.AbstractContextManager[Any]:
    """Returns a scope for loading saved pruned models.

    It is not required: Keras 3 finds kprune's registered classes by itself.
    """
    return keras.saving.custom_object_scope(
        {"PruneLowMagnitude": PruneLowMagnitude}
    )
