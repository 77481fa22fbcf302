"""How far the masks of runs agree, as a table and as a heat map."""

import drawing

from kprune import analysis
from kprune.experiment import directory
from kprune.masking import masks


def of(runs):
    """Returns the overlaps of the masks of runs, by data set and network.

    Args:
        runs: List of `runs.Run`. Those without masks are left out.

    Returns:
        Dict from (data set, network) to a `kprune.analysis.Overlaps`.

    Raises:
        ValueError: If masks of one network are of other shapes.
    """
    found = {}
    for run in runs:
        path = run.path / directory.MASKS
        if path.exists():
            config = run.config
            place = (config.dataset.name, config.model.name)
            here = found.setdefault(place, {})
            here[_name(config, here)] = masks.load(path)
    return {
        place: analysis.overlaps(here) for place, here in sorted(found.items())
    }


def text(place, overlaps):
    """Returns a heading and a table."""
    dataset, network = place
    return (
        f"## Overlap of masks, {network} on {dataset}\n\n"
        "Kept by both, as a share of what either keeps.\n\n"
        f"```\n{overlaps}\n```\n"
    )


def draw(place, overlaps, path):
    """Draws the overlaps of each with each, with the numbers.

    Args:
        place: Tuple of the data set and the network.
        overlaps: A `kprune.analysis.Overlaps`.
        path: Path of the picture to write.
    """
    pyplot = drawing.pyplot()
    count = len(overlaps.names)
    side = 3 + 0.45 * count
    figure, axis = pyplot.subplots(figsize=(side, side), layout="constrained")
    axis.imshow(overlaps.matrix, vmin=0, vmax=1, cmap="viridis")
    axis.set_xticks(range(count), overlaps.names, rotation=90)
    axis.set_yticks(range(count), overlaps.names)
    for row in range(count):
        for column in range(count):
            value = overlaps.matrix[row, column]
            axis.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="black" if value > 0.6 else "white",
            )
    dataset, network = place
    axis.set_title(f"{network} on {dataset}", loc="left", weight="bold")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _name(config, taken):
    """Returns what sets a run apart, with a number if that is not enough."""
    pruner = config.pruner
    parts = [pruner.method, pruner.check, pruner.sparsity, config.seed]
    name = " ".join(str(part) for part in parts if part is not None)
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
