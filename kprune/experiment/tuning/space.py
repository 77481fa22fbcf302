"""The space of a search: values or a range for each key of a config."""

import dataclasses
import itertools

from ml_collections import ConfigDict

from kprune.experiment import checking, preparation
from kprune.experiment.config import DENSE, complete, put
from kprune.pruning import granularity, recipes, schedules, scope
from kprune.runtime import checks, lookup, own_names
from kprune.runtime import methods as method_table
from kprune.runtime.doors import checked
from kprune.runtime.words import shown

METHOD, SPARSITY = "pruner.method", "pruner.sparsity"
SCHEDULE, RATE = "pruner.schedule", "training.learning_rate"
KEYS = (METHOD, SPARSITY, SCHEDULE, RATE)


@checked(low=checks.number, high=checks.number, log=checks.boolean)
@dataclasses.dataclass(frozen=True)
class Range:
    """A range of numbers to search, drawn to four significant digits.

    Args:
        low, high: Numbers, `low` below `high`.
        log: Whether to draw the logarithm uniformly, for which `low` must be
            above 0. Defaults to `False`: the number itself is uniform.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        checks.require(self.low < self.high, "low", self.low, "less than high")
        positive = self.low > 0 or not self.log
        checks.require(positive, "low", self.low, "more than 0, with `log`")


def check(base, space):
    """Raises `ValueError` unless a space fits a complete config."""
    checks.instance("space", space, dict, f"a dict over some of {KEYS}")
    checks.require(bool(space), "space", space, "at least one key")
    for key, values in space.items():
        lookup.choose(key, dict.fromkeys(KEYS), "key of a search")
        _check_values(key, values)
    held_out = base.dataset.validation
    expected = "more than 0, as a search must not choose by the test set"
    checks.require(
        held_out > 0, "config.dataset.validation", held_out, expected
    )
    one = base.distribute != "multi_worker"
    expected = "none, mirrored or tpu, as a trial runs on one host"
    checks.require(one, "config.distribute", base.distribute, expected)
    of_choices = {k: v for k, v in space.items() if not isinstance(v, Range)}
    for point in itertools.product(*of_choices.values()):
        _check_method(at(base, dict(zip(of_choices, point, strict=True))))


def at(base, point):
    """Returns the config of a trial, complete.

    Args:
        base: `ConfigDict`, complete.
        point: Dict of the values to set, by dotted key.
    """
    config = base.to_dict()
    changes = {**point, "artifacts": False}
    if changes.get(METHOD) == DENSE:
        config["pruner"] = {}
        changes.pop(SCHEDULE, None)
    put(config, changes)
    return complete(config)


def rounded(point):
    """Returns a point with its floats rounded to four significant digits."""
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in point.items()
    }


def _check_values(key, values):
    numbers = key in (SPARSITY, RATE)
    if isinstance(values, Range):
        checks.require(numbers, key, values, "a list of names")
        values = [values.low, values.high]
    expected = f"a list, or a range. Received for {key!r}"
    fits = isinstance(values, list | tuple) and len(values) > 0
    if not fits:
        raise ValueError(f"Expected {expected}: {shown(values)}")
    for value in values:
        if key == SPARSITY:
            checks.sparsity(key, value)
        elif key == RATE:
            checks.number(key, value, "(0, inf)")
        elif key == SCHEDULE:
            lookup.choose(value, dict.fromkeys(schedules.names()), "schedule")
        elif not own_names.is_name(value):
            known = dict.fromkeys(preparation.methods())
            lookup.choose(value, known, "method")


def _check_method(config: ConfigDict):
    pruner = config.pruner
    checking.refuse_unfit(pruner.method, pruner.check)
    if pruner.sparsity is not None:
        grain = granularity.get(pruner.granularity or "weight")
        scope.sparsity_of(grain, pruner.sparsity)
    if pruner.method in method_table.methods("prune"):
        options = pruner.options.to_dict()
        if pruner.schedule is not None:
            options["schedule"] = pruner.schedule
        recipes.get(pruner.method, **options)
