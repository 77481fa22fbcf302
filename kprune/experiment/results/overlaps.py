"""Measures how far the masks of runs agree."""

import itertools

from kprune.analysis.overlap import overlaps
from kprune.experiment import directory
from kprune.masking import masks


def overlaps_of(runs):
    """Returns the overlaps of the masks of runs, by (data set, network).

    Each is a `kprune.analysis.Overlaps`; runs without masks are left out.
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
    """Returns a heading and a table of the overlaps of one place."""
    dataset, network = place
    return (
        f"## Overlap of masks, {network} on {dataset}\n\n"
        "Kept by both, as a share of what either keeps.\n\n"
        f"```\n{found}\n```\n"
    )


def _name(config, taken):
    """Returns a unique name for a run, numbered if need be."""
    pruner = config.pruner
    parts = [pruner.method, pruner.check, pruner.sparsity, config.seed]
    name = " ".join(str(part) for part in parts if part is not None)
    names = (f"{name} ({n})" if n > 1 else name for n in itertools.count(1))
    return next(free for free in names if free not in taken)
