"""Finds the channels that must be removed together."""

import collections

import numpy as np


def of(graph, flow):
    """Returns an array of the group number of each channel.

    Args:
        graph: A `kprune.graph.calls.Graph`.
        flow: Dict from call to its `Flow`, or `None` if it is not followed.
    """
    pairs = [(np.arange(0), np.arange(0))]
    for call, its_flow in flow.items():
        if its_flow is not None:
            pairs += its_flow.together(call)
    pairs += _shared(graph, flow)
    firsts, seconds = (
        np.concatenate(side) for side in zip(*pairs, strict=True)
    )
    return _connected(graph.size, firsts, seconds)


def pinned(graph, flow, unfit):
    """Yields (channel numbers, reason) for channels that must stay, except
    those of the model's outputs.

    Args:
        graph, flow: As for `of`.
        unfit: Dict from call to why it is not followed.
    """
    for signal in graph.inputs:
        yield signal.numbers, "the model's input keeps its shape"
    for signal in graph.borders:
        yield signal.numbers, "what goes in and out of a layer keeps its shape"
    for call, its_flow in flow.items():
        operation = call.operation
        for signal in call.masks:
            yield signal.numbers, f"{operation.name!r} takes it for a mask"
        if its_flow is not None:
            yield from its_flow.whole(call)
            continue
        kind = type(operation).__name__
        reason = f"{operation.name!r} ({kind}): {unfit[call]}"
        for signal in (*call.inputs, *call.outputs):
            yield signal.numbers, reason


def _shared(graph, flow):
    """Yields pairs of channel numbers for layers called more than once, whose
    variables hold the same channels in all calls."""
    calls = collections.defaultdict(list)
    for call, its_flow in flow.items():
        if its_flow is not None and its_flow.owns:
            calls[call.operation].append(call)
    for first, *others in calls.values():
        for other in others:
            sides = [(*flow[c].counted(c), *c.inner) for c in (first, other)]
            for a, b in zip(*sides, strict=True):
                yield a.numbers, b.numbers
    for first, *others in graph.entries.values():
        for other in others:
            for a, b in zip(first, other, strict=True):
                yield a.numbers, b.numbers


def _connected(size, firsts, seconds):
    """Returns the number of each node's connected component, from 0.

    Args:
        size: Number of nodes.
        firsts, seconds: Arrays of the two ends of each edge.
    """
    label = np.arange(size)
    while True:
        lowest = np.minimum(label[firsts], label[seconds])
        before = label.copy()
        for ends in (firsts, seconds):
            np.minimum.at(label, before[ends], lowest)
        while (label[label] != label).any():
            label = label[label]
        if (label == before).all():
            return np.unique(label, return_inverse=True)[1]
