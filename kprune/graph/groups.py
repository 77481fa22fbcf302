"""Finds the channels that must go together."""

import collections

import numpy as np


def of(graph, flow):
    """Returns an array over all channels: the number of each one's group.

    Args:
        graph: A `kprune.graph.calls.Graph`.
        flow: Dict from call to its `Flow`, or `None` where there is none.
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
    """Yields (channel numbers, reason) for channels that have to stay, beside
    those of the model's outputs.

    Args:
        graph, flow: As for `of`.
        unfit: Dict from call to why it has no flow.
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
    """Yields pairs for layers that are called more than once: what they hold
    per channel is one for all calls."""
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
    """Numbers the connected parts of a graph, from 0."""
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
