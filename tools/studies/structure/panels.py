"""What methods leave of a network, as panels to be drawn."""

import itertools

import numpy as np

from kprune.runtime.palette import COLORS, looks
from kprune.runtime.plots import Line, Panel, Rule
from structure.tables import label, percent

_STYLES = {"iter_snip": "-", "force": "--", "iter_snip_linear": ":"}
_EXTREMES = (0.99, 0.999)  # Where the paper shows the layers.
_SMALL = {"markersize": 3, "linewidth": 1}


def panels(results):
    """Returns shares by layer, saliency over rounds and gradient norms."""
    shown = [s for s in results.sparsities if s in _EXTREMES]
    return [
        *(_layers(results, s) for s in shown or results.sparsities[-1:]),
        _rounds(results),
        _norms(results),
    ]


def _layers(results, sparsity):
    """Returns the share that each layer keeps; crosses where it is nothing."""
    places = np.arange(len(results.layers))
    shares = {m: results.shares(m, sparsity) for m in results.methods}
    least = min(share[share > 0].min(initial=1) for share in shares.values())
    lines = [Rule(1 - sparsity, look={"linewidth": 0.5})]
    own = looks(shares)
    for rank, (method, share) in enumerate(shares.items()):
        look = {**own[method], **_SMALL}
        lines.append(Line(places, _positive(share), label(method), look=look))
        empty = places[share == 0]
        # Each method has a row of its own for what it leaves empty.
        height = np.full(len(empty), least / 1.6 ** (rank + 2))
        look = {"marker": "x", "linestyle": "none"}
        look["color"] = own[method]["color"]
        lines.append(Line(empty, height, look=look))
    stages = results.stages
    starts = [i for i in places if i == 0 or stages[i - 1] != stages[i]]
    pale = {"color": "lightgray", "linewidth": 0.8}
    lines += [Rule(x=place - 0.5, look=pale) for place in starts[1:]]
    return Panel(
        lines,
        f"Share kept by layer at {percent(sparsity)} (crosses: nothing left)",
        log="y",
        xticks={
            (start + end - 1) / 2: stages[start]
            for start, end in itertools.pairwise([*starts, len(places)])
        },
    )


def _rounds(results):
    """Returns the saliency against the rounds, of which one is SNIP."""
    lines, ticks = [], None
    iterated = [method for method in _STYLES if method in results.methods]
    if "snip" in results.methods and iterated:
        for rank, sparsity in enumerate(results.sparsities):
            color = COLORS[rank % len(COLORS)]
            lines.append(_named(percent(sparsity), color=color))
            for method in iterated:
                rounds = [1, *results.batches(method)]
                names = ["snip", *[method] * (len(rounds) - 1)]
                values = [
                    results.over_dense("saliency", name, sparsity, count)
                    for name, count in zip(names, rounds, strict=True)
                ]
                look = {"color": color, "linestyle": _STYLES[method]}
                look |= {"marker": ".", "linewidth": 1}
                lines.append(Line(rounds, _positive(values), look=look))
        for method in iterated:
            look = {"color": "black", "linestyle": _STYLES[method]}
            lines.append(_named(label(method), **look))
        ticks = {count: str(count) for count in rounds}
    return Panel(
        lines,
        "FORCE saliency, over the dense network's",
        "rounds (1: SNIP)",
        log="xy",
        xticks=ticks,
    )


def _named(name, **look):
    """Returns a line that stands in the legend alone."""
    return Line([], [], name, look={"marker": "", "linestyle": "-", **look})


def _norms(results):
    """Returns the norm of the gradient after pruning against the sparsity."""
    kept = [1 - sparsity for sparsity in results.sparsities]
    lines, own = [], looks(results.methods)
    for method in results.methods:
        look = {**own[method], **_SMALL}
        norms = [
            results.over_dense("gradient_norm", method, sparsity)
            for sparsity in results.sparsities
        ]
        lines.append(Line(kept, _positive(norms), label(method), look=look))
    return Panel(
        lines,
        "Gradient norm after pruning, over the dense network's",
        "sparsity",
        log="xy",
        inverted="x",
        xticks={share: percent(1 - share) for share in kept},
    )


def _positive(values):
    """Returns values with gaps where there is nothing a logarithm shows."""
    values = np.array(values)
    return np.where(values > 0, values, np.nan)
