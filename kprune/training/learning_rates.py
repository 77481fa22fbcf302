"""The learning-rate schedules of the papers, by name.

Each is a function of (learning_rate, steps_per_epoch, total_steps) and its own
options; durations are as in `kprune.training.durations`. A schedule is called
with the number of updates made so far: 0 for the first.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from keras.optimizers import schedules

from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked
from kprune.runtime.words import shown
from kprune.training import durations
from kprune.training.asni_cosine import AsniCosine

_RATES = {
    "learning_rate": checks.within("(0, inf)"),
    "steps_per_epoch": checks.optional(checks.at_least(1)),
    "total_steps": checks.optional(checks.at_least(1)),
}


@checked(**_RATES)
def constant(
    learning_rate: float, steps_per_epoch: int | None, total_steps: int | None
) -> float:
    """Returns the same rate for every step."""
    del steps_per_epoch, total_steps
    return learning_rate


@checked(**_RATES)
def step(
    learning_rate: float,
    steps_per_epoch: int | None,
    total_steps: int | None,
    *,
    every: str | int,
    factor: float,
) -> schedules.LearningRateSchedule:
    """Multiplies the rate at intervals: lr * factor^floor(step / every).

    Args:
        learning_rate: Float > 0, the initial rate.
        steps_per_epoch: Integer >= 1, or `None` if no duration needs it.
        total_steps: Integer >= 1, or `None` if no duration needs it.
        every: Duration, one step or more. With `"30ep"`, epoch 30 (from 0) is
            the first at the second rate.
        factor: Float > 0.
    """
    length = durations.steps(every, steps_per_epoch, total_steps)
    if length < 1:
        raise ValueError(
            "Expected `every` of the schedule 'step' to be at least one step. "
            f"Received: every={shown(every)}"
        )
    checks.number("factor", factor, "(0, inf)")
    return schedules.ExponentialDecay(
        learning_rate, length, float(factor), staircase=True
    )


@checked(**_RATES)
def multi_step(
    learning_rate: float,
    steps_per_epoch: int | None,
    total_steps: int | None,
    *,
    at: Sequence[str | int],
    factor: float | None = None,
    factors: Sequence[float] | None = None,
) -> schedules.LearningRateSchedule:
    """Changes the rate at given points.

    With `at=["150ep", "250ep"]`, epoch 150 (from 0) is the first at the second
    rate, as with PyTorch's `MultiStepLR`. Pass either `factor` or `factors`.

    Args:
        learning_rate: Float > 0, the initial rate.
        steps_per_epoch: Integer >= 1, or `None` if no duration needs it.
        total_steps: Integer >= 1, or `None` if no duration needs it.
        at: List of durations, each longer than the one before.
        factor: Float > 0 that multiplies the rate at each point.
        factors: List of floats > 0, one for each point: the rate from there
            on, relative to `learning_rate`.
    """
    checks.require(
        isinstance(at, list | tuple) and at,
        "at",
        at,
        "a list of durations, such as ['150ep', '250ep']",
    )
    starts = [durations.steps(one, steps_per_epoch, total_steps) for one in at]
    if starts != sorted(set(starts)):
        raise ValueError(
            "Expected each of `at` to lie at least one step after the one "
            f"before. Received: at={shown(at)}, which is at steps {starts}"
        )
    factors = _factors(len(starts), factor, factors)
    return schedules.PiecewiseConstantDecay(
        # Keras' intervals include their last step.
        [start - 1 for start in starts],
        [learning_rate] + [learning_rate * each for each in factors],
    )


@checked(**_RATES)
def cosine(
    learning_rate: float,
    steps_per_epoch: int | None,
    total_steps: int | None,
    *,
    warm_up: str | int = 0,
    floor: float = 0.0,
) -> schedules.LearningRateSchedule:
    """Decays by half a cosine from peak to floor, after a linear warm-up.

        lr = peak * step / W                                     in warm-up
        lr = peak * (f + (1 - f) (1 + cos(pi (step - W) / (T - W))) / 2)

    With `warm_up`, the very first step has rate 0; without, it has the peak.
    The step after the last would reach the floor.
    Loshchilov & Hutter, 2017, https://arxiv.org/abs/1608.03983.

    Args:
        learning_rate: Float > 0, the peak.
        steps_per_epoch: Integer >= 1, or `None` if no duration needs it.
        total_steps: Integer >= 1, T.
        warm_up: Duration, W steps, shorter than the whole training. Defaults
            to 0.
        floor: Float in [0, 1], f: the floor relative to the peak. Defaults to
            0.
    """
    rise = durations.steps(warm_up, steps_per_epoch, total_steps)
    fall = durations.steps("100%", None, total_steps) - rise
    if fall < 1:
        raise ValueError(
            "Expected `warm_up` of the schedule 'cosine' to be shorter than "
            f"the training, which has {total_steps} steps. Received: "
            f"warm_up={shown(warm_up)}, which is {rise} steps"
        )
    checks.number("floor", floor, "[0, 1]", ", a share of the peak")
    if not rise:
        return schedules.CosineDecay(learning_rate, fall, alpha=float(floor))
    return schedules.CosineDecay(
        0.0,
        fall,
        alpha=float(floor),
        warmup_target=learning_rate,
        warmup_steps=rise,
    )


@checked(**_RATES)
def asni_cosine(
    learning_rate: float,
    steps_per_epoch: int,
    total_steps: int,
    *,
    delta: float = 0.06,
    curve: str = "half",
) -> AsniCosine:
    """Decays by ASNI's cosine, once per epoch (see `AsniCosine`).

    Args:
        learning_rate: Float > 0, the rate of the first epoch.
        steps_per_epoch: Integer >= 1.
        total_steps: Integer >= 1.
        delta: Float >= 0, how much longer the curve is than the training,
            relative to it. Defaults to 0.06.
        curve: `"half"` (default) or `"quarter"` of a cosine.
    """
    # `durations.steps` raises if one of them is `None`.
    per_epoch = durations.steps("1ep", steps_per_epoch)
    total = durations.steps("100%", None, total_steps)
    return AsniCosine(learning_rate, per_epoch, total / per_epoch, delta, curve)


_ALL: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (constant, step, multi_step, cosine, asni_cosine)
}


def names() -> list[str]:
    """Returns the names of all schedules, sorted."""
    return sorted(_ALL)


@checked(**_RATES)
def get(
    spec: dict[str, Any],
    learning_rate: float,
    steps_per_epoch: int | None,
    total_steps: int | None,
) -> float | schedules.LearningRateSchedule:
    """Returns the `learning_rate` to pass to an optimizer.

    Args:
        spec: Dict with the `"name"` of a schedule and its options, such as
            `{"name": "multi_step", "at": ["150ep", "250ep"], "factor": 0.1}`.
            An option that is `None` takes its default.
        learning_rate: Float > 0, the initial rate, or the peak after a
            warm-up.
        steps_per_epoch: Integer >= 1, or `None` if no duration needs it.
        total_steps: Integer >= 1, the steps of the whole training, or `None`
            if the schedule does not need it.

    Returns:
        A float, or a `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        ValueError: If the schedule or an option is unknown, an option is
            missing, or a value is invalid.

    Example:

    >>> spec = {"name": "cosine", "warm_up": "5ep"}
    >>> schedule = kprune.training.learning_rates.get(spec, 0.1, 391, 62560)
    >>> optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    """
    if not isinstance(spec, dict) or "name" not in spec:
        raise ValueError(
            "Expected a dict with the name of a learning-rate schedule, such "
            "as {'name': 'cosine', 'warm_up': '5ep'}, with one of: "
            f"{', '.join(names())}. Received: {shown(spec)}"
        )
    name = spec["name"]
    schedule = lookup.choose(name, _ALL, "learning-rate schedule")
    options = {k: v for k, v in spec.items() if k != "name" and v is not None}
    _check_options(name, schedule, options)
    rate = float(learning_rate)
    return schedule(rate, steps_per_epoch, total_steps, **options)


def _check_options(name, schedule, options):
    known = {
        p.name: p
        for p in inspect.signature(schedule).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    lookup.check_options(options, known, f"the schedule {name!r}")
    missing = [
        option
        for option, parameter in known.items()
        if parameter.default is parameter.empty and option not in options
    ]
    if missing:
        raise ValueError(
            f"The learning-rate schedule {name!r} needs "
            f"{' and '.join(map(repr, missing))}. Received: {options}"
        )


def _factors(count, factor, factors):
    """Returns the rates after each of `count` points, relative to the initial
    one."""
    if (factor is None) == (factors is None):
        raise ValueError(
            "Expected either `factor`, a number, or `factors`, a list, for "
            f"the schedule 'multi_step'. Received: factor={shown(factor)}, "
            f"factors={shown(factors)}"
        )
    if factors is None:
        checks.number("factor", factor, "(0, inf)")
        return [float(factor) ** (i + 1) for i in range(count)]
    expected = f"a list of {count} numbers, one for each of `at`"
    fits = isinstance(factors, list | tuple) and len(factors) == count
    checks.require(fits, "factors", factors, expected)
    return [float(checks.number("factors", f, "(0, inf)")) for f in factors]
