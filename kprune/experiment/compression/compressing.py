"""`compress`: finds the smallest model within a budget."""

import contextlib
import dataclasses
import pathlib

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
from kprune.runtime import checks, files, locks, paths, user_warnings
from kprune.runtime.doors import checked

_FIELDS = (
    *("number", "parent", "left", "sparsity", "metric", "interval"),
    *("parameters", "multiply_adds", "latency", "latency_share"),
    *("latency_spread", "bytes", "seconds", "within", "met"),
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
    model,
    train,
    validation=None,
    *,
    target=None,
    max_drop=None,
    method="auto",
    finetune=1,
    distill=True,
    shrink=True,
    export=None,
    directory=None,
    seed=0,
    strict=False,
    metric=None,
    mode="auto",
    step=0.3,
    batch_size=128,
    verbose="auto",
):
    """Makes a trained model as small as is asked for, or as can be afforded.

    The model is pruned in steps and fine-tuned after each, until the target is
    met or the metric on `validation` has dropped by more than `max_drop`. The
    last step, if it went too far, is then halved three times. The chosen
    candidate is the one of the best metric that meets both; without a target,
    the smallest one within `max_drop`.

    `method="auto"` is a fixed rule. For `"flops"`, `"latency"` and
    `"parameters"`, and without a target, whole channels go by their magnitude;
    for `"bytes"` and a sparsity, single weights by theirs, over all layers
    together.

    Nothing is selected on a test set unless `validation` is one: measure the
    chosen model once more on data that neither trained nor selected it.

    Args:
        model: A trained Keras model, compiled with a metric. It is left as it
            was.
        train: What candidates are fine-tuned on: arrays `(x, y)`, which are
            shuffled by `seed`, or as for `kprune.training.fit`. A data set
            that shuffles is in another order each time it is read: to go on
            to the bit after a kill takes arrays, a function of a step, or a
            data set of one order.
        validation: What candidates are selected on: arrays `(x, y)`, or a
            `tf.data.Dataset` of batches.
        target: `{"flops": 0.5}` or `{"parameters": 0.5}`, the share to leave
            at most; `{"latency": 0.5, "runtime": "litert"}`, of the time of
            one example, measured in the runtime of a format; `{"bytes": 0.2,
            "format": "packed"}`, of a file; `{"sparsity": 0.9}` or `0.9`. A
            runtime or format defaults to that of `export`, else to these.
        max_drop: Number >= 0, by how much the metric may get worse, or `None`.
        method: `"auto"`, or as for `kprune.prune`.
        finetune: Epochs of each candidate, or a dict with some of `epochs`,
            `learning_rate`, `steps_per_epoch` and `checkpoint`. A rate
            defaults to that which is compiled; a schedule begins anew.
        distill: Whether candidates also learn from the model, by a
            `kprune.training.Distiller`; or a dict of its options, of which
            `"teacher"` is another model to learn from.
        shrink: Whether channels that are gone are taken out, by
            `kprune.shrink`.
        export: Path to export the chosen model to, as of `kprune.export`.
        directory: Path to keep candidates in. The same call goes on there:
            what is finished is read, what was under way goes on from its last
            checkpoint. Times are measured once.
        seed: Integer >= 0.
        strict: Whether what cannot be met is an error, not a warning.
        metric: Name of a metric as `evaluate` gives it. Defaults to the only
            one that is compiled.
        mode: `"max"` or `"min"`, what is better. Defaults to what its name
            says.
        step: Number in (0, 1), the share of what is left that goes in a step
            at most.
        batch_size: Integer, of arrays.
        verbose: As for `model.fit`.

    Returns:
        A `Compressed`: `model`, plain and compiled alike, `candidates`, and
        whether the budget is `met`; its `str` is a table.

    Raises:
        ValueError: If an argument does not fit, the target is met already, or
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
    (True, 2)
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
    """Yields a directory that no other process works in; one that goes, if
    none is asked for."""
    if directory is None:
        with files.scratch_directory() as place:
            yield place
        return
    files.check_writable(directory)
    files.make_directory(directory)
    with locks.held(directory):
        yield pathlib.Path(directory)


def _clock(plain, goal, directory):
    """Returns what measures times, or `None` if it cannot and need not."""
    try:
        return costs.Clock(plain, goal.runtime, directory)
    except ValueError:
        if goal.kind == "latency":
            raise
        return None  # The shapes of its inputs are open, or not known.


def _search(candidates, goal, start, step):
    """Makes candidates until the goal is reached, or costs too much."""
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
    rows = [
        {**{name: one[name] for name in _FIELDS}, "chosen": one is best}
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
    """Warns, or raises, if a budget is not met."""
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
