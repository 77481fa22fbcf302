"""`sensitivity`: measures a model with one layer pruned at a time."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kprune.analysis.sensitivity import evaluation
from kprune.analysis.sensitivity import units as dividing
from kprune.analysis.sensitivity.plan import Plan, pruner_of
from kprune.analysis.sensitivity.result import Cell, Sensitivity
from kprune.analysis.sensitivity.store import Directory, Store
from kprune.masking import wrapping
from kprune.pruning import scope
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, fit_arguments, paths, progress
from kprune.runtime.doors import checked
from kprune.runtime.types import Criterion, Data, Loss, Model, Path, Scores
from kprune.scoring.config import ScoringConfig

LEVELS = tuple(tenth / 10 for tenth in range(1, 10))
_LEVEL = checks.within("(0, 1)", ", a sparsity to measure at")


@checked(
    data=fit_arguments.finite_data,
    method=None,
    levels=checks.optional(checks.sequence_of(_LEVEL, "sparsities in (0, 1)")),
    metric=checks.optional(checks.string),
    unit=checks.one_of(*dividing.KINDS),
    mode=checks.one_of("auto", "min", "max"),
    score_on=checks.optional(fit_arguments.data),
    directory=checks.optional(paths.directory),
)
def sensitivity(
    model: Model,
    data: Data,
    method: Criterion | Pruner | Scores = "magnitude",
    levels: Sequence[float] | np.ndarray | None = None,
    metric: str | None = None,
    *,
    unit: str = "layer",
    mode: str = "auto",
    loss: Loss | None = None,
    score_on: Data | None = None,
    scoring: ScoringConfig | dict[str, Any] | None = None,
    directory: Path | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
    **options: Any,
) -> Sensitivity:
    """Measures a model with one layer pruned at a time, without retraining.

    All weights are scored once. Each unit is then pruned to each level while
    all others stay unchanged, and the model is evaluated: one forward pass over
    the data for each cell, all on one copy. `kprune.allocation.sensitivity`
    turns the result into an allocation.

    Args:
        model: A built Keras model, wrapped or not. It is not modified.
        data: Data to evaluate on: arrays or finite batches (x, y) or
            (x, y, sample_weight). Choices made from the result are selected on
            these examples, so do not use the test set.
        method: How to rank, as for `kprune.prune`: a method of one round.
        levels: List of sparsities in (0, 1). Defaults to 0.1, 0.2 ... 0.9, or
            to the sparsity that the granularity fixes.
        metric: Name of the metric to show: one that the model is compiled
            with, or `"loss"`. All metrics are measured. Defaults to the first
            one that is not a loss, or to the loss if there is none. A penalty
            on weights stays that of the unpruned model, so that changes of the
            loss come from the data alone.
        unit: What to prune at a time: `"layer"`, `"weight"` (a single one) or
            `"block"`, such as a transformer's. Each weight of it is pruned to
            the level by itself. Channels that are coupled across layers are
            pruned together, under the name of the first weight that produces
            them.
        mode: Whether a higher (`"max"`) or lower (`"min"`) metric is better.
            `"auto"` asks Keras.
        loss: As `compile` takes it, in place of the compiled loss and metrics.
            Defaults, if the model is not compiled, to the cross-entropy that
            fits the outputs, with a warning.
        score_on: Data that the method scores on, if it reads data. Defaults to
            `data`.
        scoring: As for `kprune.prune`.
        directory: Directory to store the measured cells in, or `None`. A cell
            stored there for the same masks, model and data is not measured
            again: a killed call resumes, and a call with more levels measures
            only the new ones.
        seed: Integer >= 0, for ties and random scores.
        verbose: `"auto"`, 0 or 1. 1 shows progress over the cells.
        **options: Axes and options of the method, as for `kprune.prune`, such
            as `granularity="channel"`, but not `allocation`.

    Returns:
        A `Sensitivity`, with `str` for a table, `to_dict`, `to_json` and
        `save`, such as `save("heat.png")` for a heat map.

    Raises:
        ValueError: If an argument, the model or the data is invalid.

    Example:

    >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    >>> found = kprune.sensitivity(
    ...     model, train.take(2), levels=[0.5, 0.9], verbose=0)
    >>> found.metric, found.matrix().shape
    ('loss', (5, 2))
    """
    view = wrapping.check_model(model)
    scope.refuse_axes(options, ("allocation",), "One layer is pruned alone.")
    pruner = pruner_of(method, options)
    levels = _levels(levels, pruner.grain)
    batches, loss = evaluation.read(view.model, data, loss)
    if score_on is None:
        score_on = (batches.at(place) for place in range(batches.count()))
    objective, _ = scope.objective(view, pruner, score_on, loss, scoring, seed)
    evaluated = evaluation.Evaluation(view.model, batches, loss)
    baseline = evaluated.measure({})
    metric = evaluation.choose(metric, baseline)
    modes = evaluated.modes(baseline, metric, mode)
    plan = Plan(pruner, objective)
    objective.hand_on()
    known = Store()
    if directory is not None:
        known = Directory(directory, view.model, batches, baseline)
    known.put({}, baseline)
    units = tuple(dividing.divide(view, plan.families, unit))
    return Sensitivity(
        model=view.model.name,
        method=method if isinstance(method, str) else _word(pruner),
        metric=metric,
        modes=modes,
        examples=evaluated.examples,
        levels=levels,
        units=units,
        baseline=baseline,
        cells=_cells(plan, evaluated, known, units, levels, verbose),
    )


def _levels(levels, grain) -> tuple[float, ...]:
    """Returns the distinct levels, sorted; a granularity may fix the level."""
    if levels is None:
        levels = LEVELS if grain.sparsity is None else [grain.sparsity]
    checks.require(len(levels), "levels", levels, "one sparsity or more")
    found = {float(scope.sparsity_of(grain, level)) for level in levels}
    return tuple(sorted(found))


def _word(pruner):
    """Returns a name for a method that was not given by name."""
    criterion = pruner.criterion
    named = criterion if isinstance(criterion, str) else None
    return named or getattr(criterion, "__name__", type(criterion).__name__)


def _cells(plan, evaluated, known, units, levels, verbose):
    """Measures each unit at each level."""
    verbose = progress.shows(verbose)
    count = len(units) * len(levels)
    bar = keras.utils.Progbar(count, unit_name="cell", verbose=verbose)
    found = []
    with known.held():
        for unit, level in itertools.product(units, levels):
            what = {"unit": unit.name, "level": level}
            masks = plan.masks(unit, level)
            metrics = known.metrics(masks, evaluated.measure, what)
            found.append(Cell(**what, metrics=metrics, **plan.removed(masks)))
            bar.update(len(found))
    return tuple(found)
