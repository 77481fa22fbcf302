"""Measures how far the masks of runs agree."""

import itertools

from kprune.analysis.overlap import overlaps
from kprune.experiment import directory
from kprune.masking import masks


def overlaps_of(runs):
    """Returns a `kprune.analysis.Overlaps` of the runs that have masks, by
    (data set, network)."""
    found = {}
    for run in runs:
        path = run.path / directory.MASKS
        if path.exists():
            place = (run.config.dataset.name, run.config.model.name)
            here = found.setdefault(place, {})
            here[_name(run.config, here)] = masks.load(path)
    return {place: overlaps(here) for place, here in sorted(found.items())}


def markdown(place, found):
    """Returns a heading and a table of what `overlaps_of` has at a place."""
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
    names = (f"{name} ({n})" if n > 1 else name for n in itertools.count(1))
    return next(free for free in names if free not in taken)
