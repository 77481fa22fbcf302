"""`shrink` and `compact`: make physically smaller models."""

import dataclasses
import sys

import keras
import numpy as np

from kprune.deploy.shrink import (
    bypassing,
    optimizer_state,
    own_class,
    planning,
    proof,
    sizes,
)
from kprune.deploy.shrink.analysis import analyse
from kprune.deploy.shrink.rebuild import failing_composite, rebuild
from kprune.deploy.shrink.result import Plan
from kprune.deploy.shrink.search import decide
from kprune.graph import calls as graph_calls
from kprune.graph import flows
from kprune.masking import cloning, folding, layer_copies, weights, wrapping
from kprune.runtime import keras_internals, progress, types
from kprune.runtime.doors import checked


class CutOff(ValueError):
    """The error for a model with an output independent of its inputs."""


@checked()
def shrink(
    model: types.Model,
    *,
    carry_optimizer: bool = False,
    verbose: int | str = "auto",
) -> types.Model:
    """Returns a smaller model without dead channels and with equal outputs.

    A channel is removed if its output is the same for all inputs or no layer
    reads it, together with everything that belongs to it: its entries in batch
    normalization and biases, its kernels in depthwise convolutions, its inputs
    in the layers that follow, and the same channel in tensors it is added to.
    Its contribution, a constant, is folded into the layers that read it. This
    propagates through the model until no more channels can be removed.

    Inputs and outputs keep their shapes. Whatever cannot be decided exactly
    stays: layers and recurrent cells of unknown classes are left whole, with
    their input and output channels; so are layers with `channels_first`.
    Attention loses heads that output zero or are not read, and keeps its
    channels. Recurrent layers lose units that stay zero or are not read, in
    both directions of a `Bidirectional`. `kprune.deploy.shrink.plan` gives the
    reasons, layer by layer.

    A composite layer, whose own `call` calls layers that it holds (a
    transformer block, for example), keeps the shapes of its inputs and outputs,
    and loses channels and heads between its layers. Its constructor makes the
    smaller layer if an entry of its config sets the size. Otherwise it holds
    other layers than its constructor makes, and a file of the model loads only
    where kprune is imported. A composite layer that passes its input through,
    such as a residual block whose weights are all zero, is removed.

    A model of a user's class whose constructor makes a graph of layers keeps
    its class and methods if the constructor can make the smaller model: if
    entries of its config set the sizes, and all layers that share an entry keep
    equally many channels. Finding out creates some models of other sizes.
    Otherwise the result is a plain `keras.Model` of the smaller layers, without
    methods of the class such as `train_step` or `generate`.

    Before it is returned, the smaller model is verified to give the model's
    outputs on random inputs, in inference mode. In training mode they may
    differ: batch normalization would also normalize the removed constants.

    Args:
        model: A built Keras model, wrapped or not. Channels with zero weights
            count, masked or not. It is not modified.
        carry_optimizer: Whether to carry over the compiled optimizer's state,
            cut like the weights. Defaults to `False`: the optimizer is fresh.
        verbose: `"auto"`, 0 or 1. 1 prints the change of each layer.

    Returns:
        A plain Keras model, compiled alike if `model` is compiled. A model
        that is not a graph of layers (subclassed, or with its own `call`) is
        copied whole.

    Raises:
        ValueError: If the model is not built or cannot be copied, an output
            no longer depends on the inputs, or the optimizer's state cannot
            be carried over.
        RuntimeError: If the smaller model's outputs differ.

    Example:

    >>> model = kprune.prune(model, "magnitude", 0.5, granularity="channel")
    >>> small = kprune.shrink(model, verbose=0)
    >>> kprune.strip(model).count_params() > 2 * small.count_params()
    True
    """
    return _smaller(model, False, carry_optimizer, verbose)


@checked()
def compact(
    model: types.Model,
    *,
    carry_optimizer: bool = False,
    verbose: int | str = "auto",
) -> types.Model:
    """Returns a plain model without units cut off by unstructured pruning.

    At high sparsity, some units have no inputs left, so that their output is
    constant, or no outputs. They are removed with everything that depends only
    on them, as by `kprune.shrink`; the model's outputs stay the same. In
    addition, a dense layer that reads only a part of an input whose shape must
    stay, such as the pixels of an image, gathers that part (`keras.ops.take`)
    and has a kernel of fewer rows. This turns a Sequential model into a
    Functional one.

    Expect large gains for dense networks at 95 % sparsity and above, small ones
    for convolutional networks below 98 %.

    Args:
        model, carry_optimizer, verbose: As for `kprune.shrink`.

    Returns:
        A plain Keras model, compiled alike if `model` is compiled.

    Raises:
        ValueError: As for `kprune.shrink`.
        RuntimeError: If the smaller model's outputs differ.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "random", 0.99, on_collapse="ignore")
    >>> small = kprune.compact(kprune.strip(model), verbose=0)
    >>> kprune.strip(model).count_params() > 9 * small.count_params()
    True
    """
    return _smaller(model, True, carry_optimizer, verbose)


def plan(model: types.Model, compact: bool = False) -> Plan:
    """Returns what `kprune.shrink` would remove from a model, and why no more.

    Args:
        model: A built Keras model, wrapped or not. It is not modified.
        compact: Whether to plan `kprune.compact` instead. Defaults to
            `False`.

    Returns:
        A `Plan`, whose `str` is a table.

    Raises:
        ValueError: If the model is not built or cannot be copied.
    """
    view = _view(model)
    return planning.describe(view, _decision(view, compact))


def _smaller(model, compact, carry_optimizer, verbose):
    view = _view(model)
    if carry_optimizer:
        optimizer_state.check(model)
    verbose = progress.shows(verbose)
    decision = _decision(view, compact)
    if verbose:
        sys.stdout.write(f"{planning.describe(view, decision)}\n")
    if decision is None or _stays(view.model, decision):
        small = wrapping.strip(model)
        values = map(layer_copies.values, (view.model, small))
        pairs = [(a, b, []) for a, b in zip(*values, strict=True)]
    else:
        _refuse_cut_off(model, decision.analysis)
        small, pairs = _proved(model, view, decision)
        cloning.carry_compile(model, small)
    if carry_optimizer and small.compiled:
        optimizer_state.carry(model, view.model, small, pairs)
    return small


def _proved(model, view, decision):
    """Returns a verified smaller model, of the same class if its constructor
    can make it, and where its variables come from."""
    small, pairs = rebuild(view, decision)
    proof.check(model, small)
    same = own_class.remade(view, decision, small, pairs)
    if same is None:
        return small, pairs
    try:
        proof.check(model, same[0])
    except RuntimeError:  # E.g. its class computes with the width itself.
        return small, pairs
    return same


def _refuse_cut_off(model, analysis):
    """Raises `ValueError` if an output is the same for all inputs."""
    for signal in analysis.graph.outputs:
        numbers = signal.numbers
        if len(numbers) and not np.isnan(analysis.values[numbers]).any():
            raise CutOff(
                f"Model {model.name!r} is cut off: an output of shape "
                f"{signal.shape} no longer depends on the inputs, so that "
                "nothing is left to make smaller. Expected weights on a way "
                "from input to output: prune less, with `min_kept=1`, or by "
                'an allocation such as "lamp" or "uniform".'
            )


def _stays(model, decision):
    """Returns whether to keep a model whole: nothing would be removed, and a
    rebuild could lose its class."""
    makes_layers = not keras_internals.lists_layers(model)
    changes = sizes.cuts(decision) or decision.parts or decision.bypassed
    return makes_layers and not changes


def _view(model):
    """Returns a view of a model that computes with its stored weights, masked.

    It is of the model itself, or of a stripped copy if wrappers compute with
    functions of the weights.
    """
    return weights.find(
        wrapping.strip(model) if folding.folds(model) else model
    )


def _decision(view, compact):
    model = view.model
    if not graph_calls.followable(model):
        return None
    # A Functional model may replace a `keras.Sequential`, not a subclass.
    chains = [
        layer
        for layer in keras_internals.all_layers(model)
        if isinstance(layer, keras.Sequential)
    ]
    partly = compact and all(type(c) is keras.Sequential for c in chains)
    whole = set()
    while True:
        with wrapping.masked(view):
            analysis = analyse(flows.record(model, whole))
            decision = decide(analysis, partly)
        bypassed = tuple(bypassing.find(view, analysis.graph))
        decision = dataclasses.replace(decision, bypassed=bypassed)
        failing = failing_composite(view, decision)
        if failing is None:
            return decision
        whole.add(failing)
