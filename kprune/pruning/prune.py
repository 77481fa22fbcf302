"""The two calls: `prune` a model, or `score` its weights."""

import dataclasses
import math
from fractions import Fraction

import keras
import numpy as np

from kprune.masking import weights, wrapping
from kprune.pruning import criteria, recipes
from kprune.pruning import target as targets
from kprune.pruning.pruner import scores_by
from kprune.runtime import distribution, lookup, user_warnings
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

_ON_COLLAPSE = ("warn", "error", "ignore")


def prune(
    model,
    method="grasp",
    sparsity=None,
    *,
    target=None,
    data=None,
    loss=None,
    granularity=None,
    allocation=None,
    schedule=None,
    rounds=None,
    exclude=(),
    min_kept=0,
    on_collapse="warn",
    batches=None,
    batch_size=None,
    batch_norm=None,
    scoring=None,
    seed=0,
    inplace=False,
    verbose="auto",
    **options,
):
    """Prunes a Keras model and returns it with masks, ready to train.

    Args:
        model: A built Keras model: Sequential, Functional, nested or
            subclassed; wrapped or not. It is left as it was.
        method: A name (`kprune.methods()`), a `kprune.Pruner`, or a criterion
            function of (objective, weights, masks).
        sparsity: Share of the groups to remove, in [0, 1). A group is what
            the granularity removes as one: a weight, unless said otherwise.
            Shares count prunable weights that are not excluded. May be left
            out where the granularity fixes it (`kprune.NM`).
        target: In place of `sparsity`, how much of the model's cost to leave
            at most: `{"flops": 0.5}`, of its multiply-adds, or
            `{"parameters": 0.5}`. As many groups are kept as fit. The costs
            are those of the kept entries: a channel's are saved once
            `kprune.shrink` has taken it out.
        data: What the criterion looks at, as `fit` takes it: a
            `tf.data.Dataset`, arrays `(x, y)` or `(x, y, sample_weight)`, a
            `PyDataset` or a generator of batches. All of it is read unless
            `batches` says otherwise. Without data, a criterion that needs
            some scores on a synthetic batch, with a warning.
        loss: As `compile` takes it. Defaults to the compiled loss, else to
            the cross-entropy that fits the outputs, with a warning.
        granularity, allocation, schedule, rounds: Replace these of the
            method (see `kprune.Pruner`).
        exclude: Names of weights or layers, or regular expressions, to leave
            dense and out of the count.
        min_kept: Groups that each weight keeps at least. Defaults to 0.
        on_collapse: What to do if a weight would lose all its groups:
            `"warn"` (default), `"error"` or `"ignore"`.
        batches, batch_size, batch_norm: Short for these fields of `probe`:
            how many batches to read (each round, where the method takes fresh
            ones; defaults to all), the size to cut arrays into (128), and
            whether batch normalization uses the statistics of each batch
            (`"train"`, the default) or the moving ones (`"eval"`).
        scoring: A `kprune.ScoringConfig` with all that can be said of how
            scores look at data.
        seed: Integer >= 0, for ties, random scores and synthetic data.
        inplace: For subclassed models only: change the model itself.
        verbose: `"auto"`, 0 or 1. 1 shows progress over rounds and batches.
        **options: Options of the method, such as `temperature=200.0`.

    Returns:
        A Keras model whose prunable layers are wrapped in `kprune.Masked`. It
        is compiled alike, with a fresh optimizer, if `model` is compiled.

    Raises:
        ValueError: If an argument, the model or the data does not fit. The
            model has not been changed then.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> kprune.report(model).sparsity
    0.9
    """
    axes = {
        "granularity": granularity,
        "allocation": allocation,
        "schedule": schedule,
        "rounds": rounds,
    }
    pruner = recipes.get(method, **options).with_axes(
        **{axis: value for axis, value in axes.items() if value is not None}
    )
    grain = pruner.grain
    if target is not None:
        target = _check_target(target, sparsity, grain)
    else:
        sparsity = check_sparsity(sparsity, grain)
    _check_options(min_kept, on_collapse)
    wrapping.check_model(model)
    notes = left_out(model, grain, exclude)
    scoring = _scoring_of(pruner, scoring, batches, batch_size, batch_norm)
    objective = Objective(model, data, loss, scoring, seed=seed, exclude=notes)
    if not objective.weights:
        raise ValueError(
            "Nothing is left to prune. Expected at least one weight that is "
            f"not left out. Received: {notes}"
        )
    if verbose == "auto":
        verbose = int(keras.config.is_interactive_logging_enabled())
    masks = pruner.masks(objective, sparsity, min_kept, verbose, target)
    distribution.check_agreement(
        objective.strategy,
        masks,
        "The workers found different masks, though they read the same data. "
        "Expected the same weights and the same kind of devices on all.",
    )
    asked = f"target {target}" if target else f"sparsity {sparsity}"
    _answer_collapse(masks, asked, on_collapse)
    wrapped = wrapping.wrap(model, inplace=inplace)
    wrapping.set_masks(wrapped, masks)
    wrapping.set_notes(wrapped, notes)
    if pruner.after_pruning is not None:
        pruner.after_pruning(wrapped, seed)
    return wrapped


def score(
    model,
    method="grasp",
    *,
    data=None,
    loss=None,
    batches=None,
    batch_size=None,
    batch_norm=None,
    scoring=None,
    seed=0,
    **options,
):
    """Returns the scores that a method gives the weights of a model.

    Args:
        model: A built Keras model. It is left as it was, to the bit.
        method: A criterion's name or function, a method's name, or a
            `kprune.Pruner`, of which only the criterion counts.
        data, loss, batches, batch_size, batch_norm, scoring, seed: As for
            `prune`.
        **options: Options of the method, such as `temperature=200.0`.

    Returns:
        Dict from weight name, such as `"conv1/kernel"`, to a NumPy array of
        the weight's shape, float32 or wider. Higher is kept.
    """
    wrapping.check_model(model)
    pruner = recipes.get(method, **options)
    criterion = criteria.get(pruner.criterion)
    scoring = _scoring_of(pruner, scoring, batches, batch_size, batch_norm)
    objective = Objective(model, data, loss, scoring, seed=seed)
    return scores_by(criterion, objective)


def _scoring_of(pruner, scoring, batches, batch_size, batch_norm):
    """Returns the method's scoring config with what the call says over it."""
    if scoring is not None and not isinstance(scoring, ScoringConfig):
        raise ValueError(
            "Invalid value for argument `probe`. Expected a "
            "kprune.ScoringConfig. "
            f"Received: scoring={scoring!r}"
        )
    short = {
        "batches": batches,
        "batch_size": batch_size,
        "batch_norm": batch_norm,
    }
    short = {name: value for name, value in short.items() if value is not None}
    base = (scoring or ScoringConfig()).merge(pruner.scoring or ScoringConfig())
    return dataclasses.replace(base, **short)


def _check_target(target, sparsity, grain):
    """Returns the `Target`, or raises `ValueError`."""
    if sparsity is not None or grain.sparsity is not None:
        given = sparsity if sparsity is not None else grain
        raise ValueError(
            "`target` takes the place of a sparsity. Received: "
            f"target={target!r} and {given!r}"
        )
    return targets.get(target)


def check_sparsity(sparsity, grain):
    """Returns the sparsity to use, or raises `ValueError`."""
    if sparsity is None:
        sparsity = grain.sparsity
    number = isinstance(sparsity, (int, float, np.number, Fraction))
    if not number or isinstance(sparsity, bool) or not 0 <= sparsity < 1:
        raise ValueError(
            "Invalid value for argument `sparsity`. Expected a float in "
            f"[0, 1), the share to remove. Received: sparsity={sparsity!r}"
        )
    fixed = grain.sparsity
    if fixed is not None and not math.isclose(sparsity, fixed):
        raise ValueError(
            f"{grain} fixes the sparsity at {fixed}. "
            f"Received: sparsity={sparsity!r}"
        )
    return sparsity


def _check_options(min_kept, on_collapse):
    if not isinstance(min_kept, int) or min_kept < 0:
        raise ValueError(
            "Invalid value for argument `min_kept`. Expected an integer >= 0. "
            f"Received: min_kept={min_kept!r}"
        )
    if on_collapse not in _ON_COLLAPSE:
        raise ValueError(
            lookup.unknown(on_collapse, _ON_COLLAPSE, "value of `on_collapse`")
        )


def left_out(model, grain, exclude):
    """Returns why prunable weights are left out, by name."""
    found = weights.prunable(model)
    notes = {}
    for pattern in [exclude] if isinstance(exclude, str) else exclude:
        names = weights.matching(pattern, found)
        if not names:
            raise ValueError(
                lookup.unknown(pattern, found, "weight in `exclude`")
            )
        notes.update(dict.fromkeys(names, "excluded"))
    if grain.leaves_output_layer(model):
        outputs = weights.output_names(model)
        notes.update({n: "output layer" for n in found if n in outputs})
    for name, weight in found.items():
        reason = grain.unfit(weight.layout)
        if reason is not None:
            notes.setdefault(name, reason)
    return {**notes, **grain.unprunable_reasons(model, notes)}


def _answer_collapse(masks, asked, on_collapse):
    empty = user_warnings.describe_collapse(masks, asked)
    if empty is None or on_collapse == "ignore":
        return
    message = (
        f"{empty} Lower `sparsity`, raise `rounds`, set `min_kept=1`, or use "
        'allocation="erk", which keeps some of every layer.'
    )
    if on_collapse == "error":
        raise ValueError(message)
    user_warnings.warn(message)
