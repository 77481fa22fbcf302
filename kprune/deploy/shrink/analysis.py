"""Analyses each call and channel of a graph."""

import collections
import dataclasses

import numpy as np

from kprune.graph import flows
from kprune.graph.calls import Graph


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """A graph, the rule for each call, and the constant channels.

    Attributes:
        graph: The `Graph` of the model.
        flow: Dict from call to its `Flow`, or `None` if it is not followed.
        unfit: Dict from call to why it is not followed, or `None`.
        values: Array over all channels: the value of a channel that is the
            same for all model inputs and positions, NaN for others.
        readers: List of `Reader`.
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
        layer: The layer that holds the kernel: `operation` or a layer in it.
        kernel: The `Kernel` with the rules for it.
        made: Signal of its output channels in the first call.
        inputs: Numbers of its input channels in the first call.
        values: Values of inputs that are constant and equal in all calls, NaN
            for others.
        links: Booleans (inputs, outputs), true where the kernel is not zero.
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
