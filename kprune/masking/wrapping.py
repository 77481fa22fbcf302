"""Puts masks on and off: `wrap`, `set_masks`, `get_masks`, `strip`.

Nobody else writes masks.
"""

import contextlib
import functools

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


@taken_as(live="keep_pruned_values")
@checked()
def wrap(
    model,
    inplace=False,
    keep_pruned_values=False,
    dense_gradients=False,
    prove=True,
):
    """Returns the model with an all-True mask on each prunable weight.

    Sequential and Functional models are rebuilt, nested ones too, with the
    same names and values; a subclassed model is copied from its config, its
    class and its own `train_step` stay. A model that is compiled comes back
    compiled alike, with a fresh optimizer. Masks already there are kept.

    Args:
        model: A built Keras model. It is left as it was.
        inplace: For subclassed models only: whether to wrap the layers of
            the model itself instead of a copy. Defaults to `False`.
        keep_pruned_values, dense_gradients: Whether pruned entries keep their
            stored values and get gradients (see `Masked`).
        prove: Whether to compare the outputs of the copy with the model's, on
            made-up inputs, a forward pass of each. A model whose inputs are
            not known is not compared.

    Returns:
        A Keras model with the same outputs.

    Raises:
        ValueError: If the model is not built, has no prunable weight, or
            cannot be copied.

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
        # What lists its layers is copied and wrapped in one go.
        new = model
        if not listed and not inplace:
            new = cloning.plain_copy(model, prove=prove)
        # A weight that has a mask keeps it, though it may be frozen by now.
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
def strip(model, prove=True):
    """Returns a plain Keras model with the masks folded into the weights.

    The result knows nothing of kprune and loads where it is not installed.
    Stripping a model without masks gives a copy of it. Where a model computes
    with functions of its weights, as `kprune.select` and `kprune.soft` make
    it, their values at test time are folded in. The result of a model under a
    `tf.distribute` strategy is on this process' own device, unless it is made
    within the strategy's scope.

    Args:
        model: A Keras model, wrapped or not. It is left as it was.
        prove: As of `wrap`. Where values are folded in, nothing is compared.

    Returns:
        A Keras model with the same outputs, compiled alike with a fresh
        optimizer if `model` is compiled.

    Raises:
        ValueError: If the model cannot be copied.
    """
    folded = folding.folds(model)  # A choice may be drawn anew with each call.
    new = folding.folded(model) if folded else _plain(model, prove)
    cloning.carry_compile(model, new)
    if prove and not folded:
        made_up.prove(model, new)
    return new


def _plain(model, prove):
    new = cloning.plain_copy(model, prove=prove)
    names = dict(weights.named(new))  # A mask may be on a bias too.
    for weight in weights.find(model):
        if weight.mask is not None:
            target = names[weight.name]
            target.assign(where(weight.mask, target.value))
    return new


@contextlib.contextmanager
def masked(model):
    """Shows the weights of a model, or of a `weights.View` of it, as its masks
    leave them. In reading only: within it, nothing can be made or assigned."""
    shown = [
        (w.variable, where(w.mask, w.variable.value))
        for w in weights.find(model)
        if w.mask is not None
    ]
    with keras.StatelessScope(shown):
        yield


@checked()
def get_masks(model):
    """Returns the masks of a wrapped model.

    Args:
        model: A model that went through `kprune.prune` or `kprune.wrap`.

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
def set_masks(model, masks, optimizer=None):
    """Sets masks, zeroes what they prune, and the optimizer's state of it.

    All is checked before anything is changed.

    Args:
        model: A wrapped model, changed in place, or a `weights.View` of it.
        masks: Dict from weight name to a boolean array of the weight's shape.
            Weights that are not named keep their masks.
        optimizer: The optimizer whose slots to zero at removed weights, in a
            training loop of one's own. Defaults to the compiled one.

    Raises:
        ValueError: If the model has no masks, or a name, shape or value does
            not fit.
    """
    view = weights.find(model)
    found = {w.name: w for w in view if w.mask is not None}
    if not found:
        get_masks(view)  # Raises, saying what was expected.
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
    """Records in a wrapped model why weights were left out of a pruning.

    Args:
        model: A wrapped model, changed in place, or a `weights.View` of it.
        notes: Dict from weight name to a few words. Earlier notes go.
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
    and get gradients (see `Masked`). A compiled one's training step is
    traced anew.
    """
    for wrapper in wrappers(model):
        wrapper.set_pruned_behavior(keep_pruned_values, dense_gradients)
    if model.compiled:
        model.make_train_function(force=True)


def wrappers(layer):
    """Returns the `Masked` layers of a model."""
    return weight_wrapper.wrappers(layer, Masked)


def check_model(model):
    """Returns the `weights.View` of a model, or of the view that is given;
    raises unless the model is built and has a prunable weight."""
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
    """Returns a copy of a layer (or the layer) wrapped, or `None` if nothing
    in it can be pruned."""
    if isinstance(layer, Masked) or not isinstance(layer, keras.layers.Layer):
        return None
    masked = [
        w.name
        for w in weights.find(layer, inside_wrapper=True)
        if w.skipped is None or id(w.variable) in keep
    ]
    return Masked(copy or layer, masked=masked, **options) if masked else None
