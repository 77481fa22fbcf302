"""ASNI's figures: the weights of each layer, and how sparse each layer is."""

import os

import numpy as np
from asni import results

import kprune
from kprune.pruning import kept_weights


def draw(found, directory):
    """Draws the figures of the first seed.

    Args:
        found: Dict from (variant, seed) to the directory of a finished run.
        directory: Path to write PNG files in.

    Returns:
        List of the files' paths.

    Raises:
        ValueError: If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ValueError(
            "Plots need matplotlib: pip install 'kprune[plots]'."
        ) from error
    os.makedirs(directory, exist_ok=True)
    seed = min(seed for _, seed in found)
    pyplot.switch_backend("agg")
    paths = []
    for variant in "ACS":
        if (variant, seed) in found:
            model = results.trained(found[variant, seed])
            figure = _weights(pyplot, model, variant)
            path = os.path.join(directory, f"weights_{variant}.png")
            paths.append(_saved(pyplot, figure, path))
    if ("A", seed) in found:
        model = results.trained(found["A", seed])
        figure = _sparsity(pyplot, model)
        path = os.path.join(directory, "sparsity.png")
        paths.append(_saved(pyplot, figure, path))
    return paths


def _saved(pyplot, figure, path):
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
    return path


def _weights(pyplot, model, variant):
    """Draws a histogram of the kept weights of each layer, with centroids."""
    values = kept_weights.centroids(model).values
    found = [
        w for w in kprune.masking.weights.find(model) if w.mask is not None
    ]
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(3.2 * columns, 2.4 * rows), squeeze=False
    )
    for ax in axes.ravel()[len(found) :]:
        ax.axis("off")
    for ax, weight in zip(axes.ravel(), found, strict=False):
        kept = weight.variable.numpy()[weight.mask.numpy()]
        ax.hist(kept, bins=60, color="#7fa6c9")
        for centroid in values[weight.name]:
            if np.isfinite(centroid):
                ax.axvline(centroid, color="#b3401a", linewidth=1.5)
        ax.set_title(f"{weight.name}: {kept.size:,} kept", fontsize=9)
        ax.tick_params(labelsize=7)
        ax.set_yticks([])
    figure.suptitle(f"{variant}, {results.NAMES[variant]}: kept weights")
    figure.tight_layout()
    return figure


def _sparsity(pyplot, model):
    """Draws the share of each layer that is removed."""
    rows = [w for w in kprune.masking.weights.find(model) if w.mask is not None]
    names = [w.name for w in rows]
    removed = [100 * (1 - w.mask.numpy().mean()) for w in rows]
    figure, ax = pyplot.subplots(figsize=(7, 0.35 * len(rows) + 1.2))
    bars = ax.barh(names, removed, color="#7fa6c9")
    ax.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    ax.invert_yaxis()
    ax.set_xlim(0, 109)
    ax.set_xlabel("removed, in % of the layer's weights")
    ax.spines[["top", "right"]].set_visible(False)
    return figure
