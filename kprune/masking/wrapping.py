"""Puts masks on and off: `wrap`, `set_masks`, `get_masks`, `strip`.

Only this module writes masks.
"""

import contextlib
import functools
from collections.abc import Mapping

import keras
import numpy as np

from kprune.masking import (
    cloning,
    folding,
    made_up,
    weight_wrapper,
    weights,
)
from kprune.masking.masked import Masked, where
from kprune.masking.subclassed_models import WrappedModel, replace_layers
from kprune.runtime import keras_internals, lookup
from kprune.runtime.doors import checked
from kprune.runtime.renamed import taken_as
from kprune.runtime.types import ArrayLike, Model


@taken_as(live="keep_pruned_values")
@checked()
def wrap(
    model: Model,
    inplace: bool = False,
    keep_pruned_values: bool = False,
    dense_gradients: bool = False,
    prove: bool = True,
) -> Model:
    """Returns a copy of a model with an all-True mask on each prunable weight.

    Rebuilds Sequential and Functional models, nested ones included, with the
    same names and values; copies a subclassed model from its config and keeps
    its class and `train_step`. Compiles the copy as `model` is compiled, with
    a fresh optimizer. Keeps existing masks.

    Args:
        model: A built Keras model. It is not modified unless `inplace` is set.
        inplace: Whether to wrap the layers of `model` itself instead of a
            copy. Only for subclassed models. Defaults to `False`.
        keep_pruned_values: Whether pruned entries keep their stored values
            (see `Masked`). Defaults to `False`.
        dense_gradients: Whether pruned entries get gradients (see `Masked`).
            Defaults to `False`.
        prove: Whether to compare the outputs of the copy with those of
            `model` on random inputs, one forward pass each. Skipped if the
            model's inputs are unknown. Defaults to `True`.

    Returns:
        A Keras model with the same outputs; with `inplace`, `model` itself.

    Raises:
        ValueError: If the model is not built, has no prunable weight or
            cannot be copied, or if `inplace` is set for a Sequential or
            Functional model.

    Example:

    >>> model = kprune.wrap(kprune.models.lenet_300_100())
    >>> sorted(kprune.get_masks(model))
    ['fc1/kernel', 'fc2/kernel', 'fc3/kernel']
    """
    found = check_model(model)
    model = found.model
    before = {w.name: w for w in found if w.mask is not None}
    if inplace and keras_internals.is_graph(model):
        raise ValueError(
            "`inplace=True` is for subclassed models: the graph of a "
            "Sequential or Functional model has to be rebuilt. Received: "
            f"model={model.name!r} of class {type(model).__name__}. Use "
            "the model that `wrap` returns."
        )
    listed = keras_internals.lists_layers(model)
    with cloning.strategy_scope(model):
        # A model whose config lists its layers is copied and wrapped at once.
        new = model
        if not listed and not inplace:
            new = cloning.plain_copy(model, prove=prove)
        # A weight that has a mask keeps it, even if it was frozen since.
        own = weights.find(found if new is model else new)
        wrapped = functools.partial(
            _masked,
            keep={id(w.variable) for w in own if w.name in before},
            keep_pruned_values=keep_pruned_values,
            dense_gradients=dense_gradients,
        )
        if listed:
            new = cloning.plain_copy(model, dress=wrapped)
        else:
            new = replace_layers(new, wrapped, WrappedModel)
        if inplace:
            keras_internals.forget_compiled_functions(model)
            return model
        if before:
            set_masks(new, get_masks(model))
            set_notes(new, {name: w.note for name, w in before.items()})
        cloning.carry_compile(model, new)
    if prove:
        made_up.prove(model, new)
    return new


@checked()
def strip(model: Model, prove: bool = True) -> Model:
    """Returns a plain Keras model with the masks folded into the weights.

    The result does not depend on kprune and loads where it is not installed.
    A model without masks is copied. For models that compute with functions of
    their weights, such as those from `kprune.select` and `kprune.soft`, the
    values at test time are folded in. If `model` was made under a
    `tf.distribute` strategy, the result is placed on this process' own device,
    unless `strip` is called within the strategy's scope.

    Args:
        model: A Keras model, wrapped or not. It is not modified.
        prove: Whether to compare outputs, as in `wrap`. Ignored if functions
            of weights are folded in. Defaults to `True`.

    Returns:
        A Keras model with the same outputs, compiled as `model` is compiled,
        with a fresh optimizer.

    Raises:
        ValueError: If the model cannot be copied.
    """
    # A folded model is not compared: the choice may be redrawn in each call.
    folded = folding.folds(model)
    new = folding.folded(model) if folded else _plain(model, prove)
    cloning.carry_compile(model, new)
    if prove and not folded:
        made_up.prove(model, new)
    return new


def _plain(model, prove):
    new = cloning.plain_copy(model, prove=prove)
    names = dict(
        weights.named(new)
    )  # `find` omits biases, which may be masked.
    for weight in weights.find(model):
        if weight.mask is not None:
            target = names[weight.name]
            target.assign(where(weight.mask, target.value))
    return new


@contextlib.contextmanager
def masked(model):
    """Makes the variables of a model, or of a `weights.View` of it, read as
    masked within the block, which must not create or assign variables."""
    shown = [
        (w.variable, where(w.mask, w.variable.value))
        for w in weights.find(model)
        if w.mask is not None
    ]
    with keras.StatelessScope(shown):
        yield


@checked()
def get_masks(model: Model) -> dict[str, np.ndarray]:
    """Returns the masks of a wrapped model.

    Args:
        model: A model returned by `kprune.prune` or `kprune.wrap`.

    Returns:
        Dict from weight name, such as `"conv1/kernel"`, to a boolean NumPy
        array of the weight's shape. True is kept.

    Raises:
        ValueError: If the model has no masks.
    """
    view = weights.find(model)
    masks = {
        w.name: keras.ops.convert_to_numpy(w.mask).astype(bool)
        for w in view
        if w.mask is not None
    }
    if not masks:
        raise ValueError(
            f"Model {view.model.name!r} has no masks. Expected a model "
            "returned by `kprune.prune` or `kprune.wrap`."
        )
    return masks


@checked()
def set_masks(
    model: Model | weights.View,
    masks: Mapping[str, ArrayLike],
    optimizer: keras.optimizers.Optimizer | None = None,
) -> None:
    """Sets masks in place and zeroes pruned weights and their optimizer slots.

    Validates all masks before it changes anything. Weights set to
    `keep_pruned_values` keep their stored values.

    Args:
        model: A wrapped model, or a `weights.View` of it.
        masks: Dict from weight name to a boolean array of the weight's shape.
            Weights that are not named keep their masks.
        optimizer: The optimizer whose slots are zeroed at newly pruned
            entries, for a custom training loop. Defaults to the compiled one.

    Raises:
        ValueError: If the model has no masks, or a name, shape or value is
            invalid.
    """
    view = weights.find(model)
    found = {w.name: w for w in view if w.mask is not None}
    if not found:
        get_masks(view)  # Raises the `ValueError`.
    checked = {
        name: _checked_mask(
            mask, lookup.choose(name, found, "weight with a mask")
        )
        for name, mask in masks.items()
    }
    optimizer = optimizer or getattr(view.model, "optimizer", None)
    for name, mask in checked.items():
        weight = found[name]
        if optimizer is not None:
            kept = mask | ~keras.ops.convert_to_numpy(weight.mask)
            slots = keras_internals.slots(optimizer, weight.variable)
            for slot in slots if not kept.all() else ():
                slot.assign(where(kept, slot.value))
        weight.mask.assign(mask)
        if not weight.keep_pruned_values:
            weight.variable.assign(where(mask, weight.variable.value))


def set_notes(model, notes):
    """Records in a wrapped model why a pruning skipped some weights.

    Args:
        model: A wrapped model, changed in place, or a `weights.View` of it.
        notes: Dict from weight name to a few words. Replaces earlier notes.
    """
    view = weights.find(model)
    by_mask = {id(w.mask): notes.get(w.name) for w in view}
    for wrapper in wrappers(view.model):
        wrapper.notes.clear()
        pairs = zip(wrapper.masked, wrapper.mask_of().values(), strict=True)
        for name, (mask, *_) in pairs:
            if by_mask.get(id(mask)):
                wrapper.notes[name] = by_mask[id(mask)]


def set_pruned_behavior(model, keep_pruned_values, dense_gradients):
    """Sets whether pruned entries of a wrapped model keep their stored values
    and get gradients (see `Masked`). Retraces the training step of a compiled
    model.
    """
    for wrapper in wrappers(model):
        wrapper.set_pruned_behavior(keep_pruned_values, dense_gradients)
    if model.compiled:
        model.make_train_function(force=True)


def wrappers(layer):
    """Returns the `Masked` layers of a model."""
    return weight_wrapper.wrappers(layer, Masked)


def check_model(model):
    """Returns the `weights.View` of a model, or the view itself.

    Raises `ValueError` unless the model is built and has a prunable weight or
    a mask.
    """
    if not isinstance(model, weights.View):
        weights.check_built(model)
    found = weights.find(model)
    if any(w.skipped is None or w.mask is not None for w in found):
        return found
    reasons = "; ".join(f"{w.name}: {w.skipped}" for w in found)
    raise ValueError(
        f"Model {found.model.name!r} has no prunable weights. Expected at "
        "least one trainable kernel or embedding. "
        + (f"Skipped: {reasons}." if found else "It has no kernels at all.")
    )


def _checked_mask(mask, weight):
    mask = np.asarray(mask)
    if mask.shape != tuple(weight.variable.shape):
        raise ValueError(
            f"The mask of {weight.name!r} has the wrong shape. Expected "
            f"{tuple(weight.variable.shape)}. Received: {mask.shape}"
        )
    return mask.astype(bool)


def _masked(layer, copy=None, *, keep, **options):
    """Returns the copy (or the layer itself) wrapped, or `None` if the layer
    has no weight to mask."""
    if isinstance(layer, Masked) or not isinstance(layer, keras.layers.Layer):
        return None
    masked = [
        w.name
        for w in weights.find(layer, inside_wrapper=True)
        if w.skipped is None or id(w.variable) in keep
    ]
    return Masked(copy or layer, masked=masked, **options) if masked else None
