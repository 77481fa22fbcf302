"""Which channels must go together: the connected parts of a graph."""

import collections

import numpy as np


def of(analysis):
    """Returns an array over all channels: the number of each one's group.

    Args:
        analysis: An `Analysis`.
    """
    pairs = [(np.arange(0), np.arange(0))]
    for call, flow in analysis.flow.items():
        if flow is not None:
            pairs += flow.together(call)
    pairs += _shared(analysis)
    firsts, seconds = (
        np.concatenate(side) for side in zip(*pairs, strict=True)
    )
    return _connected(analysis.graph.size, firsts, seconds)


def _shared(analysis):
    """Yields pairs for layers that are called more than once: what they hold
    per channel is one for all calls."""
    calls = collections.defaultdict(list)
    for call, flow in analysis.flow.items():
        if flow is not None and flow.owns:
            calls[call.operation].append(call)
    for first, *others in calls.values():
        for other in others:
            for a, b in zip(
                (*first.inputs, *first.outputs),
                (*other.inputs, *other.outputs),
                strict=True,
            ):
                yield a.numbers, b.numbers
    for first, *others in analysis.graph.entries.values():
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
