"""Validates the fields of a `Pruner`."""

from kprune.masking.masks import COUNTS
from kprune.pruning import allocation, criteria, granularity, schedules
from kprune.pruning.granularity.base import Weight
from kprune.runtime import checks, lookup
from kprune.scoring import config

# Fields that a call may replace, besides passing the method's own options.
AXES = (
    "granularity",
    "allocation",
    "schedule",
    "rounds",
    "recover",
    "exclude",
    "sequential",
)

# Granularities whose groups lie within one weight tensor.
_WITHIN_WEIGHTS = Weight, granularity.NM, granularity.Block


def checked(pruner):
    """Validates the fields of a `Pruner` and returns the normalized ones.

    Raises:
        ValueError: If a field is invalid.
    """
    checks.integer("rounds", pruner.rounds, 1)
    known = isinstance(pruner.recover, bool) or (
        isinstance(pruner.recover, str) and pruner.recover == "zeros"
    )
    checks.require(known, "recover", pruner.recover, "a boolean, or 'zeros'")
    checks.boolean("fresh_batches", pruner.fresh_batches)
    if pruner.after_pruning is not None:
        takes = 2, "(model, seed)"
        checks.function("after_pruning", pruner.after_pruning, *takes)
    scoring = pruner.scoring
    if scoring is not None:
        scoring = config.get(scoring)
    exclude = checks.patterns("exclude", pruner.exclude)
    lookup.choose(pruner.count, COUNTS, "rule for counts")
    criteria.get(pruner.criterion)
    granularity.get(pruner.granularity)
    if pruner.allocation is not None:
        allocation.get(pruner.allocation)
    schedules.get(pruner.schedule)
    checks.boolean("sequential", pruner.sequential)
    if pruner.sequential:
        _check_sequential(pruner)
    return {"scoring": scoring, "exclude": exclude}


def _check_sequential(pruner):
    expected = (
        'False, but for a criterion by what weights read, "wanda", "ria" or '
        '"sparsegpt", of single weights, N:M or kprune.Block, and without '
        "fresh batches"
    )
    fits = isinstance(pruner.grain, _WITHIN_WEIGHTS)
    fits = fits and pruner.measures_inputs and not pruner.fresh_batches
    checks.require(fits, "sequential", True, expected)
