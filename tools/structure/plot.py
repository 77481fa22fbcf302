"""What tools/dissect.py found, as a picture."""

import drawing
import numpy as np
from structure.tables import label, percent

# Okabe and Ito's colours, which the colour-blind tell apart.
_COLORS = {
    "random": "black",
    "snip": "#E69F00",
    "snip_mb": "#56B4E9",
    "grasp": "#009E73",
    "synflow": "#999999",
    "iter_snip": "#D55E00",
    "force": "#0072B2",
    "iter_snip_linear": "#CC79A7",
}
_STYLES = {"iter_snip": "-", "force": "--", "iter_snip_linear": ":"}
_EXTREMES = (0.99, 0.999)  # Where the paper shows the layers.


def draw(results, path, network):
    """Draws shares by layer, saliency over rounds and gradient norms.

    Args:
        results: `structure.results.Results`.
        path: Path of the picture to write.
        network: String, for the title.
    """
    pyplot = drawing.pyplot()
    shown = [s for s in results.sparsities if s in _EXTREMES]
    shown = shown or results.sparsities[-1:]
    figure, axes = pyplot.subplots(
        2, 2, figsize=(13, 9), layout="constrained", squeeze=False
    )
    for axis, sparsity in zip(axes[0], shown, strict=False):
        _layers(axis, results, sparsity)
    for axis in axes[0][len(shown) :]:
        axis.set_axis_off()
    _rounds(axes[1][0], results)
    _norms(axes[1][1], results)
    figure.suptitle(
        f"{network}, pruned at initialization (a line ends where no gradient "
        "gets through)"
    )
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _layers(axis, results, sparsity):
    """Draws the share that each layer keeps; a cross where it is nothing."""
    places = np.arange(len(results.layers))
    shares = {m: results.shares(m, sparsity) for m in results.methods}
    least = min(s[s > 0].min(initial=1) for s in shares.values())
    for rank, (method, share) in enumerate(shares.items()):
        color = _COLORS.get(method)
        (line,) = axis.plot(
            places,
            np.where(share > 0, share, np.nan),
            marker=".",
            linewidth=1,
            color=color,
            label=label(method),
        )
        empty = places[share == 0]
        # Each method has a row of its own for what it leaves empty.
        height = least / 1.6 ** (rank + 2)
        axis.plot(
            empty, np.full(len(empty), height), "x", color=line.get_color()
        )
    axis.axhline(1 - sparsity, color="black", linewidth=0.5)
    axis.set_yscale("log")
    axis.set_title(
        f"Share kept by layer at {percent(sparsity)} (crosses: nothing is left)"
    )
    _name_layers(axis, results)
    axis.legend(fontsize=8, ncols=2)


def _name_layers(axis, results):
    """Names the stages where they begin."""
    stages = results.stages
    starts = [
        place
        for place, stage in enumerate(stages)
        if place == 0 or stages[place - 1] != stage
    ]
    axis.set_xticks(starts, [stages[place] for place in starts])
    axis.tick_params(axis="x", rotation=30)
    for place in starts[1:]:
        axis.axvline(place - 0.5, color="lightgray", linewidth=0.8)


def _rounds(axis, results):
    """Draws the saliency against the rounds, of which one is SNIP."""
    import matplotlib

    axis.set_title("FORCE saliency, over the dense network's")
    axis.set_xlabel("rounds (1: SNIP)")
    iterated = [m for m in _STYLES if m in results.methods]
    if "snip" not in results.methods or not iterated:
        return
    colors = matplotlib.colormaps["viridis_r"](
        np.linspace(0.1, 1, len(results.sparsities))
    )
    for sparsity, color in zip(results.sparsities, colors, strict=True):
        axis.plot([], [], color=color, label=percent(sparsity))
        for method in iterated:
            rounds = results.batches(method)
            points = [("snip", 1), *((method, count) for count in rounds)]
            values = [
                results.over_dense("saliency", name, sparsity, count)
                for name, count in points
            ]
            axis.plot(
                [1, *rounds],
                np.where(np.array(values) > 0, values, np.nan),
                _STYLES[method],
                marker=".",
                color=color,
            )
    for method in iterated:
        axis.plot([], [], _STYLES[method], color="black", label=label(method))
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks([1, *rounds], map(str, [1, *rounds]))
    axis.set_xticks([], minor=True)
    axis.legend(fontsize=8, ncols=2)


def _norms(axis, results):
    """Draws the norm of the gradient after pruning against the sparsity."""
    kept = [1 - sparsity for sparsity in results.sparsities]
    for method in results.methods:
        norms = [
            results.over_dense("gradient_norm", method, sparsity)
            for sparsity in results.sparsities
        ]
        axis.plot(
            kept,
            np.where(np.array(norms) > 0, norms, np.nan),
            marker=".",
            color=_COLORS.get(method),
            label=label(method),
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.invert_xaxis()
    axis.set_xticks(kept, [percent(s) for s in results.sparsities])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("sparsity")
    axis.set_title("Gradient norm after pruning, over the dense network's")
    axis.legend(fontsize=8)
