"""Allocates by the measured sensitivity of each layer."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from kprune.pruning.allocation.counts import (
    checked_allocation,
    kept_in_all,
    to_counts,
)
from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked
from kprune.runtime.words import shown

_COSTS = {"parameters": "removed", "flops": "removed_multiply_adds"}
_FOUND = "what `kprune.sensitivity` gives, or its `to_dict()`"


@dataclasses.dataclass(frozen=True)
class Step:
    """A step from one pruning level of a unit to a higher one.

    Args:
        unit: Name of the unit.
        share: Share of the unit's groups that the step removes, a Fraction.
        price: How much the metric worsens per removed weight or multiply-add.
    """

    unit: str
    share: Fraction
    price: float


@checked(
    found=None,
    per=checks.one_of(*_COSTS),
    metric=checks.string,
)
def sensitivity(
    found: Any, per: str = "parameters", metric: str = "loss"
) -> Callable[..., dict[str, int]]:
    """Returns an allocation by the measured sensitivity of layers.

    A layer's loss is interpolated between its levels along the lower convex
    hull of the measurements, so that its slope never falls. Layers are then
    pruned up to a common price per weight, which is found by bisection. This
    minimizes the sum of losses over all shares of as many weights. Groups
    beyond the highest measured level of a layer go last, in all layers alike.

    Args:
        found: The result of `kprune.sensitivity`, or its `to_dict()`, measured
            with the granularity to prune.
        per: The unit of cost: `"parameters"` (default), each removed weight,
            or `"flops"`, each multiply-add.
        metric: Name of the metric to preserve. Defaults to `"loss"`.

    Returns:
        An allocation, a function. It raises `ValueError` for weights that were
        not measured.

    Raises:
        ValueError: If `found` is not such a result, or lacks the metric.

    Example:

    >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    >>> found = kprune.sensitivity(
    ...     model, train.take(2), levels=[0.5, 0.9], verbose=0)
    >>> allocation = kprune.allocation.sensitivity(found)
    >>> pruned = kprune.prune(model, sparsity=0.8, allocation=allocation)
    """
    record = found.to_dict() if hasattr(found, "to_dict") else found
    checks.require(isinstance(record, dict), "found", found, _FOUND)
    try:
        units = {w: one for one in record["units"] for w in one["weights"]}
        worse = _worse(record, metric)
        steps = [
            step
            for unit in record["units"]
            for step in _steps(unit["name"], record["cells"], per, worse)
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise checks.invalid("found", found, _FOUND) from error

    @checked_allocation
    def by_sensitivity(groups, sizes, shapes, budget, rng):
        del shapes, rng
        owners, wholes = _owners(units, sizes)
        gone = sum(sizes.values()) - kept_in_all(groups, sizes, budget)
        shares = shares_of(steps, wholes, gone)
        targets = {n: sizes[n] * (1 - shares[owners[n]]) for n in sizes}
        return to_counts(targets, groups, sizes, budget)

    return by_sensitivity


def shares_of(steps, sizes, gone):
    """Returns the share of each unit's groups to remove.

    Args:
        steps: List of `Step`; prices do not fall within a unit.
        sizes: Dict from unit to its number of groups.
        gone: Integer, how many groups to remove in all.
    """
    steps = [step for step in steps if step.unit in sizes]
    prices = sorted({step.price for step in steps})

    def cheaper(place, equal):
        """Returns shares below a price, or up to it if `equal`, and their sum.

        The sum is the number of groups removed, a Fraction.
        """
        found = dict.fromkeys(sizes, Fraction(0))
        for step in steps:
            if step.price < prices[place] or (
                equal and step.price == prices[place]
            ):
                found[step.unit] += step.share
        return found, sum(found[unit] * sizes[unit] for unit in sizes)

    low, high = 0, len(prices) - 1
    while low < high:
        middle = (low + high) // 2
        if cheaper(middle, equal=True)[1] >= gone:
            high = middle
        else:
            low = middle + 1
    (below, least), (above, total) = (cheaper(low, e) for e in (False, True))
    part = Fraction(gone - least) / (total - least) if total > least else 0
    part = min(part, 1)
    return {u: below[u] + part * (above[u] - below[u]) for u in sizes}


def _owners(units, sizes):
    """Returns the unit of each weight, and how many groups each unit has."""
    owners, wholes = {}, {}
    for name, size in sizes.items():
        if name not in units:
            raise ValueError(
                f"The sensitivity of {name!r} was not measured, but that of "
                f"{shown([*units])}. Measure with the `exclude` and the "
                "granularity that are pruned with."
            )
        owners[name] = units[name]["name"]
        wholes[owners[name]] = wholes.get(owners[name], 0) + size
    for unit in units.values():
        whole = wholes.get(unit["name"])
        if set(unit["weights"]) <= set(sizes) and whole != unit["groups"]:
            raise ValueError(
                f"{unit['name']!r} was measured in {unit['groups']} groups and "
                f"is pruned in {whole}. Measure with the granularity that is "
                "pruned by."
            )
    return owners, wholes


def _worse(record, metric):
    """Returns a function of metrics to how much worse they are than baseline.

    It returns `None` if a value is `None`.
    """
    base = lookup.choose(metric, record["baseline"], "metric")
    mode = record["modes"].get(metric)
    expected = f"one of {sorted(record['modes'])}, of which more or less is "
    checks.require(mode is not None, "metric", metric, f"{expected}better")
    sign = 1 if mode == "min" else -1

    def worse(metrics):
        value = metrics[metric]
        return None if None in (value, base) else sign * (value - base)

    return worse


def _steps(unit, cells, per, worse):
    """Returns the steps of a unit, along the convex hull of its cells."""
    points = _points(unit, cells, _COSTS[per], worse)
    return [
        Step(unit, points[0][1], -math.inf),  # Pruned already.
        *(
            Step(unit, other[1] - one[1], _slope(one, other))
            for one, other in itertools.pairwise(_hull(points))
        ),
        Step(unit, 1 - points[-1][1], math.inf),  # Not measured.
    ]


def _points(unit, cells, key, worse):
    """Returns the points (removed cost, level, loss) of a unit, ascending.

    The first removes nothing. Levels that remove no more than a lower one, or
    have no finite loss, are skipped.
    """
    points, most = [(0, Fraction(0), 0.0)], 0
    own = [cell for cell in cells if cell["unit"] == unit]
    for cell in sorted(own, key=lambda cell: cell["level"]):
        level = checks.number("level", cell["level"], "[0, 1]")
        level, loss = Fraction(repr(level)), worse(cell["metrics"])
        if cell[key] is None:
            raise ValueError(
                f"How many multiply-adds {unit!r} takes is not known. Expected "
                'per="parameters".'
            )
        if cell["removed"] == 0:  # The unit was this sparse before.
            points = [(0, level, 0.0)]
        elif cell["removed"] > most and loss is not None:
            most = cell["removed"]
            points.append((cell[key], level, loss))
    return points


def _hull(points):
    """Returns the corners of the lower convex hull of points."""
    corners = []
    for point in points:
        while len(corners) > 1 and (
            _slope(*corners[-2:]) >= _slope(corners[-1], point)
        ):
            corners.pop()
        corners.append(point)
    return corners


def _slope(one, other):
    """Returns the price between two points, infinite if the cost is equal.

    The cost is equal if the removed weights take no multiply-adds.
    """
    cost = other[0] - one[0]
    return (other[2] - one[2]) / cost if cost else math.inf
