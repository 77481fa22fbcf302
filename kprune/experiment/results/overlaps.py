"""How far the masks of runs agree, by data set and network."""

from kprune.analysis.overlap import overlaps
from kprune.experiment import directory
from kprune.masking import masks


def overlaps_of(runs):
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
            place = (run.config.dataset.name, run.config.model.name)
            here = found.setdefault(place, {})
            here[_name(run.config, here)] = masks.load(path)
    return {place: overlaps(here) for place, here in sorted(found.items())}


def markdown(place, found):
    """Returns a heading and a table.

    Args:
        place: Tuple of the data set and the network.
        found: A `kprune.analysis.Overlaps`.
    """
    dataset, network = place
    return (
        f"## Overlap of masks, {network} on {dataset}\n\n"
        "Kept by both, as a share of what either keeps.\n\n"
        f"```\n{found}\n```\n"
    )


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
