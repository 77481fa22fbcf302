"""What `imp` was asked for: checked, and in words for its directory."""

import functools
import hashlib
from fractions import Fraction

import keras

from kprune.masking import wrapping
from kprune.masking.masks import count_kept
from kprune.pruning.pruner import Pruner
from kprune.pruning.scope import left_out
from kprune.runtime import keras_internals, lookup, seeds
from kprune.tickets import fractions, training_segment
from kprune.training import durations

_REWIND_WEIGHTS = ("rewind", "init", "trained")
_RATES = ("rewind", "restart", "last")


def template(model):
    """Returns a wrapped copy of a model that all levels are copied from."""
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
    pruned = [n for n, m in wrapping.get_masks(copy).items() if not m.all()]
    if pruned:
        raise ValueError(
            "Expected a model that is not pruned yet: fractions are counted "
            f"from the dense network. Received one with pruned: {pruned}"
        )
    return copy


def pruner(model, asked):
    """Returns the `Pruner` of the levels, and why weights are left out."""
    _check_choice("rewind_weights", asked["rewind_weights"], _REWIND_WEIGHTS)
    _check_choice("learning_rate", asked["learning_rate"], _RATES)
    seeds.check(asked["seed"])
    by_layer = isinstance(asked["fraction"], dict)
    usual = asked["allocation"] == "global"
    if isinstance(asked["allocation"], dict) or (by_layer and not usual):
        raise ValueError(
            "Expected fractions by weight as `fraction`, and then no "
            "`allocation`, or as `allocation` a name or a function. Received: "
            f"fraction={asked['fraction']!r}, "
            f"allocation={asked['allocation']!r}"
        )
    found = Pruner(
        asked["criterion"],
        granularity=asked["granularity"],
        allocation=asked["allocation"],
    )
    if found.grain.sparsity is not None:
        raise ValueError(
            "Expected a granularity of which any share can be removed. "
            f"Received: {found.grain}, whose sparsity is fixed."
        )
    notes = left_out(model, found.grain, asked["exclude"])
    return found, notes


def course(model, train, asked):
    """Returns the `TrainingSegment` of training that is asked for."""
    function = training_segment.from_step(train)
    length = training_segment.epoch_length(train, asked["steps_per_epoch"])
    check_whole("epochs", asked["epochs"])
    steps = length * asked["epochs"]
    if durations.steps(asked["checkpoint"], length, steps) < 1:
        raise ValueError(
            "Expected `checkpoint` to be at least one step. "
            f"Received: checkpoint={asked['checkpoint']!r}"
        )
    found = training_segment.TrainingSegment(
        function,
        length,
        asked["epochs"],
        asked["validation_data"],
        asked["checkpoint"],
        asked["verbose"],
    )
    return found


def rewinding_step(model, course, rewind_to):
    """Returns the step to rewind to, or raises `ValueError`."""
    step = durations.steps(rewind_to, course.steps_per_epoch, course.steps)
    if step >= course.steps:
        raise ValueError(
            "Expected `rewind_to` to lie before the end of the training, which "
            f"has {course.steps} steps. Received: rewind_to={rewind_to!r}"
        )
    at_once = model.steps_per_execution
    if step % course.steps_per_epoch % at_once:
        raise ValueError(
            f"The model is compiled with steps_per_execution={at_once}. "
            "Expected `rewind_to` to be a multiple of it, counted from the "
            f"beginning of an epoch. Received: rewind_to={rewind_to!r}, which "
            f"is step {step}"
        )
    return step


def check_levels(asked, sizes, total):
    """Raises `ValueError` unless the last level has something left.

    Args:
        asked: Dict of the arguments of `imp`.
        sizes: Dict of the numbers of entries that take part, by weight.
        total: Integer, how many groups are ranked together.
    """
    levels, fraction = asked["levels"], asked["fraction"]
    check_whole("levels", levels)
    if not sizes:
        raise ValueError(
            "Nothing is left to prune. Expected `exclude` to leave a weight. "
            f"Received: exclude={asked['exclude']!r}"
        )
    if isinstance(fraction, dict):
        fractions.check_table(fraction, sizes)
        return
    fractions.check(fraction)
    if count_kept(total, fractions.sparsity(fraction, levels)) < 1:
        raise ValueError(
            f"After {levels} levels none of {total} weights or groups of them "
            "would be left. Lower `levels` or `fraction`. "
            f"Received: fraction={fraction!r}"
        )


def settings(model, course, step, asked, sizes):
    """Returns what a search follows from, for JSON, but for its length."""
    words = ("rewind_weights", "learning_rate", "exclude")
    axes = ("criterion", "granularity", "allocation")
    return {
        **{name: asked[name] for name in words},
        **{name: named(asked[name]) for name in axes},
        "fraction": _number(asked["fraction"]),
        "seed": int(asked["seed"]),
        "rewind_to": step,
        "epochs": course.epochs,
        "steps_per_epoch": course.steps_per_epoch,
        "sizes": sizes,
        "optimizer": _nameless(keras.optimizers.serialize(model.optimizer)),
        "loss": _nameless(model.get_compile_config()["loss"]),
    }


def _number(fraction):
    """Returns a fraction, or a dict of them, for JSON."""
    if isinstance(fraction, dict):
        return {name: _number(one) for name, one in fraction.items()}
    exact = isinstance(fraction, Fraction)
    return str(fraction) if exact else float(fraction)


def _nameless(config):
    """Leaves out names, which Keras counts over the process."""
    if not isinstance(config, dict):
        return config
    return {k: _nameless(v) for k, v in config.items() if k != "name"}


def named(value):
    """Returns what stands for a name, a function or an object in JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, functools.partial):
        given = [*value.args, *sorted(value.keywords.items())]
        return f"{named(value.func)}{given!r}"
    if not hasattr(value, "__qualname__"):
        return repr(value)
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name:  # Made in a function, of what it was given.
        cells = [named(c.cell_contents) for c in value.__closure__ or ()]
        code = hashlib.sha256(value.__code__.co_code).hexdigest()[:8]
        name = f"{name}, {code} of {cells}"
    return name


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(lookup.unknown(value, choices, f"value of `{name}`"))


def check_whole(name, value):
    """Raises `ValueError` unless an argument is a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Expected `{name}` to be a positive integer. "
            f"Received: {name}={value!r}"
        )
