"""`sensitivity`: the metric with one layer pruned at a time."""

import itertools

import keras

from kprune.analysis.sensitivity import evaluation
from kprune.analysis.sensitivity import units as dividing
from kprune.analysis.sensitivity.plan import Plan, pruner_of
from kprune.analysis.sensitivity.result import Cell, Sensitivity
from kprune.analysis.sensitivity.store import Directory, Store
from kprune.masking import wrapping
from kprune.pruning import scope
from kprune.runtime import checks, fit_arguments, paths, progress
from kprune.runtime.doors import checked

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
    model,
    data,
    method="magnitude",
    levels=None,
    metric=None,
    *,
    unit="layer",
    mode="auto",
    loss=None,
    score_on=None,
    scoring=None,
    directory=None,
    seed=0,
    verbose="auto",
    **options,
):
    """Measures a model with one layer of it pruned at a time, untrained.

    All weights are scored once. Each unit is then pruned to each level, all
    others being left as they are, and the model evaluated: a forward pass over
    the data for each, on one copy. `kprune.allocation.sensitivity` makes an
    allocation of what it gives.

    Args:
        model: A built Keras model, wrapped or not. It is left as it was.
        data: What to evaluate on: arrays or batches (x, y) or
            (x, y, sample_weight) that end. What is chosen by it was selected
            on these examples, so take none of the test set's.
        method: What to rank by, as for `kprune.prune`: a method of one round.
        levels: Sparsities in (0, 1). Default to 0.1, 0.2 ... 0.9.
        metric: Name of the metric to show: one that the model is compiled
            with, or `"loss"`. All of them are measured. Defaults to the first
            one, or to the loss where there is none. A penalty on weights
            stays that of the whole model, so that what the loss gains by it
            is of the data alone.
        unit: What is pruned at a time: `"layer"`, `"weight"`, a single one, or
            `"block"`, as of a transformer. Each weight of it is pruned to the
            level by itself. Channels that go together through the model are
            pruned together, in the name of the first weight that makes them.
        mode: Whether more (`"max"`) or less (`"min"`) of the metric is better.
            `"auto"` takes what Keras says of it.
        loss: As `compile` takes it, in place of all that the model is compiled
            with. Defaults, if it is not compiled, to the cross-entropy that
            fits the outputs, with a warning.
        score_on: What a method that looks at data scores on. Defaults to
            `data`.
        scoring: As for `kprune.prune`.
        directory: Where to keep what was measured, or `None`. A cell that is
            there, of the same masks, model and data, is not measured again: a
            call that was killed goes on, and one with more levels measures
            these alone.
        seed: Integer >= 0, for ties and random scores.
        verbose: `"auto"`, 0 or 1. 1 shows progress over the cells.
        **options: Axes and options of the method, as for `kprune.prune`, such
            as `granularity="channel"`; the allocation has no part in it.

    Returns:
        A `Sensitivity`: a table by `str`, `to_dict`, `to_json`, and `save`, for
        a heat map `save("heat.png")`.

    Raises:
        ValueError: If an argument, the model or the data does not fit.

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


def _levels(levels, grain):
    """Returns the levels, sorted, each once; a granularity may fix it."""
    if levels is None:
        levels = LEVELS if grain.sparsity is None else [grain.sparsity]
    checks.require(len(levels), "levels", levels, "one sparsity or more")
    found = {float(scope.sparsity_of(grain, level)) for level in levels}
    return tuple(sorted(found))


def _word(pruner):
    """Returns what stands for a method that is no name."""
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
