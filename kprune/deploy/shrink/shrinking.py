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
from kprune.deploy.shrink.search import decide
from kprune.graph import calls as graph_calls
from kprune.graph import flows
from kprune.masking import cloning, folding, layer_copies, weights, wrapping
from kprune.runtime import keras_internals, progress
from kprune.runtime.doors import checked


class CutOff(ValueError):
    """An output of a model no longer depends on its inputs."""


@checked()
def shrink(model, *, carry_optimizer=False, verbose="auto"):
    """Returns a plain model without the channels that compute nothing.

    A channel goes where its output is the same for all inputs, or where
    nobody reads it, together with all that belongs to it: the entries of
    batch normalization and biases, the kernels of depthwise convolutions, the
    inputs of the layers that follow, the same channel of what it is added to.
    What it contributed, a constant, is folded into the layers that read it.
    That repeats itself through the model until nothing more can go.

    Inputs and outputs keep their shapes. What cannot be told exactly stays:
    layers and recurrent cells of unknown classes are left whole, with the
    channels that go into and out of them; so are layers that take channels
    first. Of attention, heads go that give zero or are not read, and channels
    stay. Of recurrent layers, units go that stay zero or are not read, in both
    directions of a `Bidirectional`. `kprune.deploy.shrink.plan` tells why, by
    layer.

    A layer whose own `call` calls layers that it holds, as the blocks of a
    transformer do, keeps the shape of what goes in and out, and loses channels
    and heads between these layers. It is made by its constructor if an entry of
    its config sets the size. Else it holds other layers than its constructor
    makes, and a file of the model loads where kprune is imported.

    Such a layer that hands on what it reads, as a block does whose weights are
    all zero, is left out as a whole.

    A model of an own class whose constructor makes a graph of layers keeps its
    class, and its methods, if the constructor makes the smaller model: where
    entries of its config set the sizes, and all layers that one of them sets
    keep the same. To find that out, some models of other sizes are made. Else
    it comes back as a plain graph of the smaller layers, a `keras.Model`, of
    which methods of the class, such as `train_step` or `generate`, are no part.

    Before it is returned, the smaller model is checked to have the outputs of
    the model, on random inputs. They are those of inference: in training, a
    batch normalization would have seen the constants of its batch too.

    Args:
        model: A built Keras model, wrapped or not: channels whose weights are
            zero count, whoever set them. It is left as it was.
        carry_optimizer: Whether the compiled optimizer's state is carried
            over, cut as the weights. Defaults to `False`: the optimizer is
            fresh.
        verbose: `"auto"`, 0 or 1. 1 prints what became of each layer.

    Returns:
        A plain Keras model, compiled alike if `model` is compiled. A model
        that is no graph of layers (subclassed, or with a `call` of its own)
        comes back whole.

    Raises:
        ValueError: If the model is not built or cannot be copied, if an
            output no longer depends on the inputs, or if there is no
            optimizer state that can be carried over.
        RuntimeError: If the smaller model does not compute the same.

    Example:

    >>> model = kprune.prune(model, "magnitude", 0.5, granularity="channel")
    >>> small = kprune.shrink(model, verbose=0)
    >>> kprune.strip(model).count_params() > 2 * small.count_params()
    True
    """
    return _smaller(model, False, carry_optimizer, verbose)


@checked()
def compact(model, *, carry_optimizer=False, verbose="auto"):
    """Returns a plain model without units cut off by unstructured pruning.

    At high sparsity, units are left without any input, whose output is then a
    constant, or without any output. They go, and what depends on them alone,
    as by `kprune.shrink`; nothing is lost. Beyond that, a dense layer that
    depends on a part only of an input that has to keep its shape, such as the
    pixels of an image, is given that part: a gather (`keras.ops.take`) and a
    kernel of fewer rows. A Sequential model becomes a Functional one by it.

    Expect much for dense networks at 95 % and above, little for convolutional
    ones below 98 %.

    Args:
        model, carry_optimizer, verbose: As for `kprune.shrink`.

    Returns:
        A plain Keras model, compiled alike if `model` is compiled.

    Raises:
        ValueError: As `kprune.shrink` does.
        RuntimeError: If the smaller model does not compute the same.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "random", 0.99, on_collapse="ignore")
    >>> small = kprune.compact(kprune.strip(model), verbose=0)
    >>> kprune.strip(model).count_params() > 9 * small.count_params()
    True
    """
    return _smaller(model, True, carry_optimizer, verbose)


def plan(model, compact=False):
    """Returns what `kprune.shrink` would do to a model, and why no more.

    Args:
        model: A built Keras model, wrapped or not. It is left as it was.
        compact: Whether to tell of `kprune.compact` instead.

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
    """Returns a smaller model that computes the same, of the same class if its
    constructor makes one, and where its variables come from."""
    small, pairs = rebuild(view, decision)
    proof.check(model, small)
    same = own_class.remade(view, decision, small, pairs)
    if same is None:
        return small, pairs
    try:
        proof.check(model, same[0])
    except RuntimeError:  # It computes with the width itself, say.
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
    """Whether nothing goes of a model whose class would be lost."""
    makes_layers = not keras_internals.lists_layers(model)
    changes = sizes.cuts(decision) or decision.parts or decision.bypassed
    return makes_layers and not changes


def _view(model):
    """Returns the view of a model that computes with what it stores, as its
    masks leave it: the model itself, or a stripped copy."""
    return weights.find(
        wrapping.strip(model) if folding.folds(model) else model
    )


def _decision(view, compact):
    model = view.model
    if not graph_calls.followable(model):
        return None
    # What a Functional model takes the place of must be no class of its own.
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
