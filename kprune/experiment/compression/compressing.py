"""`compress`: finds the smallest model within a budget."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from kprune.deploy import exporting
from kprune.experiment.compression import (
    costs,
    goals,
    preparing,
    quality,
    search,
    training_data,
)
from kprune.experiment.compression.candidates import Candidates
from kprune.experiment.compression.result import Compressed
from kprune.experiment.compression.store import Store
from kprune.experiment.compression.training_data import FineTuning
from kprune.runtime import checks, files, locks, paths, types, user_warnings
from kprune.runtime.doors import checked

_FIELDS = (
    *("number", "parent", "left", "method", "sparsity", "metric", "interval"),
    *("parameters", "multiply_adds", "latency", "latency_share"),
    *("latency_spread", "latency_processes"),
    *("bytes", "seconds", "within", "met"),
)


@checked(
    train=training_data.check,
    validation=quality.check_validation,
    max_drop=checks.optional(checks.within("[0, inf)")),
    method=goals.check_method,
    finetune=training_data.fine_tuning,
    distill=preparing.check_distill,
    shrink=checks.boolean,
    export=checks.optional(paths.path),
    directory=checks.optional(paths.directory),
    strict=checks.boolean,
    metric=checks.optional(checks.string),
    mode=checks.one_of("auto", "min", "max"),
    step=checks.within("(0, 1)"),
    batch_size=checks.at_least(1),
)
def compress(
    model: types.Model,
    train: types.Data | Callable[[int], Any],
    validation: types.Data | None = None,
    *,
    target: float | dict[str, Any] | None = None,
    max_drop: float | None = None,
    method: Any = "auto",
    finetune: int | dict[str, Any] | FineTuning = 1,
    distill: bool | dict[str, Any] = True,
    shrink: bool = True,
    export: types.Path | None = None,
    directory: types.Path | None = None,
    seed: int = 0,
    strict: bool = False,
    metric: str | None = None,
    mode: str = "auto",
    step: float = 0.3,
    batch_size: int = 128,
    verbose: str | int = "auto",
) -> Compressed:
    """Finds a smaller version of a trained model, within an accuracy budget.

    It prunes the model in steps and fine-tunes after each, until the target is
    met or the metric on `validation` has dropped by more than `max_drop`. If
    the last step went too far, it bisects that step three times. It chooses
    the candidate with the best metric that meets both; without a target, the
    smallest one within `max_drop`.

    `method="auto"` is a fixed rule. For `"bytes"` and a sparsity, it prunes
    single weights by magnitude, over all layers together. Otherwise it prunes
    channels by `"taylor"`, and makes the first step in two ways, with uniform
    and with LAMP allocation. The search goes on in the one whose candidate has
    the better metric.

    The chosen model is selected on `validation`: evaluate it once more on data
    that neither trained nor selected it.

    Args:
        model: A trained Keras model, compiled with a metric. It is not
            modified.
        train: Data to fine-tune candidates on: arrays `(x, y)`, which are
            shuffled by `seed`, or as for `kprune.training.fit`. A data set
            that shuffles has another order each time it is read: bit-exact
            resuming needs arrays, a function of a step, or a data set of a
            fixed order.
        validation: Data to select candidates on: arrays `(x, y)`, or a
            `tf.data.Dataset` of batches.
        target: `{"flops": 0.5}` or `{"parameters": 0.5}`, the share to leave
            at most; `{"latency": 0.5, "runtime": "litert"}`, of the time of
            one example, measured in the runtime of a format, and again in
            seven new processes if it seems met; `{"bytes": 0.2, "format":
            "packed"}`, of a file; `{"sparsity": 0.9}` or `0.9`. A runtime or
            format defaults to that of `export`, else to these.
        max_drop: Number >= 0, by how much the metric may get worse, or `None`.
        method: `"auto"`, or as for `kprune.prune`.
        finetune: Integer, the epochs of each candidate, or a dict with some of
            `epochs`, `learning_rate`, `steps_per_epoch`, `checkpoint` and
            `recalibrate`. The rate is a number or a Keras schedule, which
            starts anew for each candidate; it defaults to that of the compiled
            optimizer. Afterwards, statistics of batch normalization are
            recomputed on up to 32 of its batches, as by
            `kprune.kept_weights.recalibrate`, unless `recalibrate` is `False`
            or training did not move them.
        distill: Whether candidates also learn from the model, by a
            `kprune.training.Distiller`; or a dict of its options, of which
            `"teacher"` is another model to learn from.
        shrink: Whether to take removed channels out of the model, by
            `kprune.shrink`.
        export: Path to export the chosen model to, as of `kprune.export`.
        directory: Path to keep candidates in. Repeating the call there reads
            finished candidates, and resumes an unfinished one from its last
            checkpoint. Times are measured once.
        seed: Integer >= 0.
        strict: Whether a budget that cannot be met raises an error instead of
            a warning.
        metric: Name of a metric, as `evaluate` returns it. Defaults to the
            only compiled one.
        mode: `"max"` or `"min"`, whether more or less is better. Defaults to
            `"auto"`, which infers it from the name.
        step: Number in (0, 1), the largest share of the remaining size that a
            step removes.
        batch_size: Integer >= 1, for arrays.
        verbose: As for `model.fit`.

    Returns:
        A `Compressed` with the `model`, plain and compiled like the original,
        the `candidates`, and whether the budget is `met`; its `str` is a
        table.

    Raises:
        ValueError: If an argument is invalid, or the target is met already or,
            with `strict`, cannot be met.
        kprune.training.Terminated: After a SIGTERM or Ctrl-C.

    Example:

    >>> (x, y), _ = kprune.datasets.load_arrays("digits")
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])
    >>> found = kprune.compress(
    ...     model, (x[:500], y[:500]), (x[500:700], y[500:700]),
    ...     target={"flops": 0.6}, step=0.5, verbose=0)
    >>> found.met, len(found.candidates)
    (True, 3)
    """
    _check_budget(target, max_drop)
    goal = goals.get(target, export)
    wrapped, plain = preparing.copies(model)
    recipe = preparing.Recipe(
        model=wrapped,
        goal=goal,
        method=method,
        training=preparing.tuning(plain, train, finetune, batch_size, seed),
        learner=preparing.learner(wrapped, plain, distill),
        quality=preparing.judge(plain, validation, metric, mode, batch_size),
        max_drop=None if max_drop is None else float(max_drop),
        shrinks=shrink,
        seed=seed,
        verbose=verbose,
    )
    start = preparing.start(wrapped, goal)
    settings = preparing.settings(recipe, step, distill)
    with _held(directory) as place, files.scratch_directory() as scratch:
        candidates = Candidates(
            recipe,
            Store(place, settings),
            _clock(plain, goal, scratch),
            scratch,
            start,
        )
        _search(candidates, goal, start, step)
        found = _chosen(candidates, recipe)
    _tell(found, strict)
    if export is None:
        return found
    exported = exporting.export(found.model, export)
    return dataclasses.replace(found, exported=exported)


def _check_budget(target, max_drop):
    if target is None and max_drop is None:
        raise ValueError(
            "Expected `target`, `max_drop` or both: what to reach, and what it "
            "may cost."
        )


@contextlib.contextmanager
def _held(directory):
    """Yields a locked directory, or a temporary one for `None`."""
    if directory is None:
        with files.scratch_directory() as place:
            yield place
        return
    files.check_writable(directory)
    files.make_directory(directory)
    with locks.held(directory):
        yield pathlib.Path(directory)


def _clock(plain, goal, directory):
    """Returns a `Clock`, or `None` if times cannot and need not be measured."""
    try:
        return costs.Clock(plain, goal.runtime, directory)
    except ValueError:
        if goal.kind == "latency":
            raise
        return None  # The shapes of its inputs are open or unknown.


def _search(candidates, goal, start, step):
    """Makes candidates until the goal is met, or the metric drops too far."""
    end = None if goal.measured else goal.left
    search.search(
        candidates.attempt,
        search.levels(start, step, end),
        candidates.records[0],
        exact=not goal.measured,
    )


def _chosen(candidates, recipe):
    """Returns the `Compressed` of the best candidate."""
    judge, goal = recipe.quality, recipe.goal
    best, met = search.choose(
        candidates.records, goal.left is not None, judge.sign
    )
    rows = [  # Candidates of earlier versions lack some of the fields.
        {**{name: one.get(name) for name in _FIELDS}, "chosen": one is best}
        for one in candidates.records
    ]
    candidates.finish(rows)
    allowed = ""
    if recipe.max_drop is not None:
        allowed = (
            f", at a drop of {judge.name!r} by {recipe.max_drop:g} at most"
        )
    return Compressed(
        model=candidates.finished(candidates.network(best["number"])),
        candidates=rows,
        met=met,
        metric=judge.name,
        goal=f"{goal}{allowed}",
        selected_on=f"{judge.count:,} examples of `validation`",
        runtime=goal.runtime,
    )


def _tell(found, strict):
    """Warns if a budget is not met, or raises if `strict`."""
    if found.met:
        return
    best = found.chosen
    message = (
        f"No candidate meets what was asked for: {found.goal}. The smallest "
        f"that it allows is number {best['number']}, at a sparsity of "
        f"{best['sparsity']:.4g}, with {found.metric!r} {best['metric']:.4g}."
    )
    if strict:
        raise ValueError(message)
    user_warnings.warn(message)
