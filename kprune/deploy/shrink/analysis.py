"""What is known of every call and channel of a graph, before any decision."""

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
    """A layer with a kernel, where input channels end.

    `inputs` and `outputs` are the numbers of its channels in its first call,
    `values` those of the inputs that are constant and the same in all calls,
    NaN for others, and `links` is (inputs, outputs), True where the kernel is
    not 0.
    """

    layer: object
    flow: object
    inputs: np.ndarray
    outputs: np.ndarray
    values: np.ndarray
    links: np.ndarray
    calls: tuple


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
        for signal, value in zip(
            call.inner, flow[call].inner(call), strict=True
        ):
            values[signal.numbers] = value
        given = [values[signal.numbers] for signal in call.inputs]
        with np.errstate(all="ignore"):
            found = flow[call].constants(call, given)
        found = np.where(np.isfinite(found), found, np.nan)
        values[call.outputs[0].numbers] = found
    return values


def _readers(graph, flow, values):
    calls = collections.defaultdict(list)
    for call in graph.calls:
        if flow[call] is not None and flow[call].reads:
            calls[call.operation].append(call)
    readers = []
    for layer, its_calls in calls.items():
        first = its_calls[0]
        read = flow[first].read(first)
        given = [values[flow[c].read(c).numbers] for c in its_calls]
        same = np.all([value == given[0] for value in given], 0)
        readers.append(
            Reader(
                layer,
                flow[first],
                read.numbers,
                first.outputs[0].numbers,
                np.where(same, given[0], np.nan),
                flow[first].links(layer),
                tuple(its_calls),
            )
        )
    return readers
