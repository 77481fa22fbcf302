"""Validates the arguments of a search and describes them."""

import dataclasses
import functools
import hashlib
from fractions import Fraction
from typing import Any

import keras

from kprune.masking import wrapping
from kprune.masking.masks import count_kept
from kprune.pruning import recipes, scope
from kprune.pruning.fields import AXES
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, keras_internals
from kprune.runtime.words import shown
from kprune.tickets import fractions
from kprune.training import durations


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a search; the arguments are those of `imp`.

    Raises:
        ValueError: If an argument is invalid.
    """

    levels: int
    fraction: float | Fraction | dict[str, Any] = 0.2
    rewind_to: str | int = 0
    rewind_weights: str = "rewind"
    learning_rate: str = "rewind"

    def __post_init__(self):
        checks.integer("levels", self.levels, 1)
        if not isinstance(self.fraction, dict):
            fractions.check(self.fraction)
        weights = ("rewind", "init", "trained")
        checks.choice("rewind_weights", self.rewind_weights, weights)
        rates = ("rewind", "restart", "last")
        checks.choice("learning_rate", self.learning_rate, rates)


def template(model):
    """Returns a wrapped copy of a model, from which levels are copied.

    Raises:
        ValueError: If the model is not compiled, cannot be copied or is pruned
            already, or its strategy has several workers.
    """
    if not model.compiled:
        raise ValueError(
            f"Model {model.name!r} is not compiled. Expected a model that "
            "`fit` can train."
        )
    strategy = model.distribute_strategy
    if keras_internals.spans_workers(strategy):
        raise ValueError(
            "A search for tickets runs in one process. Received a model of a "
            f"strategy of several workers: {type(strategy).__name__}"
        )
    copy = wrapping.wrap(model)
    if not copy.compiled:
        raise ValueError(
            f"Model {model.name!r} is compiled with something that cannot be "
            "rebuilt from its config, so no level could be compiled alike."
        )
    masks = wrapping.get_masks(copy)
    if pruned := [name for name, mask in masks.items() if not mask.all()]:
        raise ValueError(
            "Expected a model that is not pruned yet: fractions are counted "
            f"from the dense network. Received one with pruned: {pruned}"
        )
    return copy


def pruner(method, options, plan):
    """Returns the pruner that runs one round per level."""
    once = "Each level is one round, after which nothing returns."
    scope.refuse_axes(options, ("schedule", "rounds", "recover"), once)
    found = recipes.get(method, **options).with_axes(recover=False)
    by_layer = isinstance(plan.fraction, dict)
    usual = found.allocation in (None, "global")
    if isinstance(found.allocation, dict) or (by_layer and not usual):
        raise ValueError(
            "Expected fractions by weight as `fraction`, and then no "
            "`allocation`, or as `allocation` a name or a function. Received: "
            f"fraction={shown(plan.fraction)}, "
            f"allocation={shown(found.allocation)}"
        )
    free, kept = found.grain.sparsity is None, found.after_pruning is None
    expected = "one of which any share goes, not one whose sparsity is fixed"
    checks.require(free, "granularity", found.grain, expected)
    expected = "one that changes no kept weights, said by `rewind_weights`"
    checks.require(kept, "method", method, expected)
    return found


def rewinding_step(model, course, rewind_to):
    """Returns the step to rewind to, or raises `ValueError`."""
    step = durations.steps(rewind_to, course.steps_per_epoch, course.steps)
    end = f"a step before the end of the training, which has {course.steps}"
    checks.require(step < course.steps, "rewind_to", rewind_to, end)
    at_once = model.steps_per_execution
    whole = step % course.steps_per_epoch % at_once == 0
    expected = "a step that, from the beginning of its epoch, is a multiple "
    expected += f"of it, the model's steps_per_execution={at_once}"
    checks.require(whole, "rewind_to", rewind_to, expected)
    return step


def check_levels(plan, sizes, total):
    """Raises `ValueError` if the last level would keep nothing.

    Args:
        plan: A `Plan`.
        sizes: Dict from weight name to its number of entries.
        total: Integer, the number of groups that are ranked together.
    """
    if not sizes:
        raise ValueError(
            "Nothing is left to prune. Expected `exclude` to leave a weight."
        )
    if isinstance(plan.fraction, dict):
        fractions.check_table(plan.fraction, sizes)
        return
    share = fractions.sparsity(plan.fraction, plan.levels)
    if count_kept(total, share) < 1:
        raise ValueError(
            f"After {plan.levels} levels none of {total} weights or groups of "
            "them would be left. Lower `levels` or `fraction`. "
            f"Received: fraction={shown(plan.fraction)}"
        )


def settings(model, course, step, plan, seed):
    """Returns the settings that determine a search, for JSON, except its number
    of levels and its pruner."""
    return {
        "survivors": plan.rewind_weights,  # The name in kprune 0.1.
        "learning_rate": plan.learning_rate,
        "fraction": _number(plan.fraction),
        "seed": int(seed),
        "rewind_to": step,
        "epochs": course.epochs,
        "steps_per_epoch": course.steps_per_epoch,
        "optimizer": _nameless(keras.optimizers.serialize(model.optimizer)),
        "loss": _nameless(model.get_compile_config()["loss"]),
    }


def pruner_settings(method, options, pruner, sizes, more=()):
    """Returns the settings of a search's pruner, for JSON.

    `more` names further fields to include where they are not default.
    """
    parts = getattr(pruner, "pruners", (pruner,))
    criterion = ", ".join(named(part.criterion) for part in parts)
    if isinstance(method, str) and set(options) <= set(AXES):
        criterion = method
    found = {
        "criterion": criterion,
        "granularity": named(pruner.granularity),
        "allocation": named(pruner.allocation_used),
        "exclude": list(pruner.exclude),
        "sizes": sizes,
    }
    usual = Pruner("magnitude")
    for name in ("count", "scoring", "fresh_batches", "sequential", *more):
        if getattr(pruner, name) != getattr(usual, name):
            found[name] = named(getattr(pruner, name))
    return found


def _number(fraction):
    """Returns a fraction, or a dict of them, for JSON."""
    if isinstance(fraction, dict):
        return {name: _number(one) for name, one in fraction.items()}
    exact = isinstance(fraction, Fraction)
    return str(fraction) if exact else float(fraction)


def _nameless(config):
    """Removes names, which Keras numbers per process."""
    if not isinstance(config, dict):
        return config
    return {k: _nameless(v) for k, v in config.items() if k != "name"}


def named(value):
    """Returns a string that identifies a name, function or object in JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, functools.partial):
        given = [*value.args, *sorted(value.keywords.items())]
        return f"{named(value.func)}{given!r}"
    if not hasattr(value, "__qualname__"):
        return repr(value)
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name:  # A local function: its closure and code identify it.
        cells = [named(c.cell_contents) for c in value.__closure__ or ()]
        code = hashlib.sha256(value.__code__.co_code).hexdigest()[:8]
        name = f"{name}, {code} of {cells}"
    return name
