"""Analyses each call and channel of a graph."""

import collections
import dataclasses

import numpy as np

from kprune.graph import flows
from kprune.graph.calls import Graph


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """A graph, the rule for each call, and the channels that are constant.

    `flow` has the `Flow` of each call, or `None`, and `unfit` then the reason.
    `values` is an array over all channels: the value of one that is the same
    for all of the model's inputs, everywhere in its map, and NaN of others.
    """

    graph: Graph
    flow: dict
    unfit: dict
    values: np.ndarray
    readers: list


@dataclasses.dataclass(frozen=True, eq=False)
class Reader:
    """A kernel, where input channels end.

    Attributes:
        operation: The layer that is called.
        layer: The one that holds the kernel: the same, or one within it.
        kernel: The `Kernel` that knows it.
        made: Signal of its output channels in the first call.
        inputs: Numbers of its input channels there.
        values: The value of inputs that are constant and the same in all
            calls, NaN for others.
        links: (inputs, outputs), True where the kernel is not 0.
        calls: All calls of `operation`.
    """

    operation: object
    layer: object
    kernel: object
    made: object
    inputs: np.ndarray
    values: np.ndarray
    links: np.ndarray
    calls: tuple

    @property
    def outputs(self):
        """Numbers of its output channels in the first call."""
        return self.made.numbers


def analyse(graph):
    """Returns the `Analysis` of a graph."""
    flow, unfit = flows.of_all(graph)
    values = _constants(graph, flow)
    return Analysis(graph, flow, unfit, values, _readers(graph, flow, values))


def _constants(graph, flow):
    values = np.full(graph.size, np.nan)
    for call in graph.calls:
        if flow[call] is None:
            continue
        given = [values[signal.numbers] for signal in call.inputs]
        with np.errstate(all="ignore"):
            found = flow[call].values(call, given)
        made = (*call.inner, *call.outputs)
        for signal, value in zip(made, found, strict=True):
            value = np.where(np.isfinite(value), value, np.nan)
            values[signal.numbers] = value
    return values


def _readers(graph, flow, values):
    calls = collections.defaultdict(list)
    for call in graph.calls:
        if flow[call] is not None:
            calls[call.operation].append(call)
    readers = []
    for operation, its_calls in calls.items():
        readings = [flow[call].readings(call) for call in its_calls]
        for first, *others in zip(*readings, strict=True):
            given = [values[x.given.numbers] for x in (first, *others)]
            same = np.all([value == given[0] for value in given], 0)
            readers.append(
                Reader(
                    operation,
                    first.layer,
                    first.kernel,
                    first.made,
                    first.given.numbers,
                    np.where(same, given[0], np.nan),
                    first.kernel.links(first.layer),
                    tuple(its_calls),
                )
            )
    return readers
