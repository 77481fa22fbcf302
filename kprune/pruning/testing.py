"""Checks a user's criterion against the contract of kprune's own."""

import copy
import functools
import random

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import masks
from kprune.pruning import allocation, criteria, granularity, scope
from kprune.pruning.pruner import Pruner
from kprune.pruning.ranking import scores_by
from kprune.runtime import checks, seeds, types, user_warnings
from kprune.runtime.doors import checked
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

_GRAINS = (
    ("weight", 0.9),
    ("channel", 0.5),
    (granularity.NM(1, 2), 0.5),
    (granularity.Block((4, 1)), 0.75),
)


@checked(
    criterion=None,
    microbatches=checks.boolean,
    tolerance=checks.within("[0, inf)"),
)
def check_criterion(
    criterion: types.Criterion,
    microbatches: bool = True,
    tolerance: float = 1e-6,
    channels: granularity.Channel | str | None = None,
) -> None:
    """Checks that a criterion meets the contract of all criteria.

    On a small convolutional network with a fixed batch, it checks that scores
    are finite, one per weight, and reproducible; that scoring changes neither
    the model nor the global random state; that exactly as many groups are kept
    as asked for, at every granularity, by every allocation, also if scores are
    equal or zero; that the batch in four parts gives the scores of the whole
    batch; and that two replicas do, if TensorFlow has two devices of a kind.
    (`tf.config.set_logical_device_configuration` splits a CPU in two before
    TensorFlow starts; with one device, this check is skipped with a warning.)

    Args:
        criterion: A name, or a function of (objective, weights, masks).
        microbatches: Whether scores must not depend on how the batch is
            split. `False` for criteria that use each batch for a different
            purpose, such as the inner steps of ProsPr.
        tolerance: Largest difference to allow in the last two checks, as a
            share of the largest score. They run in float64.
        channels: A `kprune.Channel` for a criterion that scores only
            channels, and may leave out weights; kprune's own need none.

    Raises:
        AssertionError: If a check fails; it says which and how.

    Example:

    >>> def cubed(objective, weights, masks):
    ...     return {name: abs(w) ** 3 for name, w in weights.items()}
    >>> kprune.testing.check_criterion(cubed)
    """
    criterion = criteria.get(criterion)
    _check_scores(criterion)
    own = criteria.entry(criterion)
    if channels is None and own is not None and own.channels_only:
        channels = "channel"
    _check_counts(criterion, channels)
    # Some criteria of channels, such as `bn_gamma`, need normalization.
    norm = channels is not None
    whole = _scores(criterion, _model(norm))
    if microbatches:
        parts = _scores(criterion, _model(norm), batch_size=2)
        _require_close(whole, parts, tolerance, "in four parts of two")
    _check_replicas(criterion, whole, tolerance, norm)


def _check_scores(criterion):
    model = _model(norm=True)
    model.compile("adam", _loss())
    objective = _objective(model)
    first = _unchanged(criterion, model, objective)
    again = scores_by(criterion, objective)
    for name, array in first.items():
        scores, kind = f"The scores of {name!r}", array.dtype
        _require(
            kind in (np.float32, np.float64),
            f"{scores} are {kind}. Expected float32 or float64.",
        )
        _require(np.isfinite(array).all(), f"{scores} are not all finite.")
        _require(
            (array == again[name]).all(),
            f"{scores} differ from call to call. Expected the same from the "
            "same objective and seed: draw by "
            "`kprune.runtime.seeds.stream(objective.seed, ...)`.",
        )


def _unchanged(criterion, model, objective):
    """Returns the scores; raises if scoring changes any state."""
    before = [np.array(v) for v in model.variables]
    given = {name: np.array(w) for name, w in objective.weights.items()}
    with seeds.untouched():
        python, numpy = random.getstate(), np.random.get_state()[1].copy()
        scores = scores_by(criterion, objective)
        same = (
            random.getstate() == python
            and (np.random.get_state()[1] == numpy).all()
        )
    _require(same, "Scoring changed Python's or NumPy's global random state.")
    for variable, value in zip(model.variables, before, strict=True):
        _require(
            (np.array(variable) == value).all(),
            f"Scoring changed {variable.path!r} of the model.",
        )
    for name, w in objective.weights.items():
        _require(
            (np.array(w) == given[name]).all(),
            f"Scoring changed the weights {name!r} that it was given.",
        )
    return scores


def _check_counts(criterion, channels):
    norm = channels is not None
    model, names = _model(norm), allocation.names()
    objective = functools.cache(lambda *left: _objective(model, exclude=left))

    def check(grain, sparsity, allocations, change=None):
        pruners = [
            Pruner(criterion, grain, name, "exponential", rounds=2)
            for name in allocations
        ]
        left = scope.left_out(model, pruners[0])
        found = copy.copy(objective(*sorted(left)))
        if change is not None:
            found.weights = {n: change(w) for n, w in found.weights.items()}
        _check_kept(pruners, found, sparsity)

    for grain, sparsity in [(channels, 0.5)] if norm else _GRAINS:
        check(grain, sparsity, ["global"])
    grain, sparsity = (channels, 0.5) if norm else ("weight", 0.875)
    if norm:  # A channel belongs to more than one output.
        names.remove("per_output")
    for change in (tf.ones_like, tf.zeros_like, tf.nn.relu):
        check(grain, sparsity, names, change)


def _check_kept(pruners, objective, sparsity):
    criterion, grain = pruners[0].criterion, pruners[0].grain
    grouping = grain.grouping(objective.model, objective.layouts)
    grouping = grouping.scored_in(
        criterion(objective, objective.weights, objective.masks)
    )
    for pruner in pruners:
        with user_warnings.silenced():  # Scores are equal here on purpose.
            found = pruner.masks(objective, sparsity)
        _check_count(pruner, found, grouping, sparsity)


def _check_count(pruner, found, grouping, sparsity):
    live = grouping.live(found)
    total = sum(groups.size for groups in live.values())
    kept = sum(int(np.count_nonzero(groups)) for groups in live.values())
    whole = {name: np.ones_like(mask) for name, mask in found.items()}
    for name, mask in grouping.masks(live, whole).items():
        _require(
            (mask == found[name]).all(),
            f"The mask of {name!r} cuts through groups of {pruner.grain}.",
        )
    expected = masks.count_kept(total, sparsity)
    _require(
        kept == expected,
        f"Of {total} groups of {pruner.grain}, {kept} were kept at sparsity "
        f"{sparsity} by {pruner.allocation_used!r} allocation. Expected "
        f"{expected}.",
    )


def _check_replicas(criterion, whole, tolerance, norm):
    devices = _two_devices()
    if devices is None:
        user_warnings.warn(
            "TensorFlow has no two devices of a kind, so that scores on two "
            "replicas were not checked."
        )
        return
    # Collectives of several strategies in one process get mixed up.
    strategy = tf.distribute.MirroredStrategy(
        devices, tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        mirrored = _model(norm)
    shares = _scores(criterion, mirrored)
    _require_close(whole, shares, tolerance, "shared by two replicas")


def _two_devices():
    for kind in ("GPU", "CPU"):
        devices = tf.config.list_logical_devices(kind)
        if len(devices) >= 2:
            return [device.name for device in devices[:2]]
    return None


def _model(norm=False):
    """Returns the network, the same each time."""

    def kernel(seed):
        return {"kernel_initializer": keras.initializers.HeNormal(seed=seed)}

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            layers.Conv2D(4, 3, use_bias=False, name="conv", **kernel(1)),
            *([layers.BatchNormalization()] if norm else []),
            layers.ReLU(),
            layers.Dropout(0.3, seed=1),
            layers.Flatten(),
            layers.Dense(6, activation="relu", name="fc1", **kernel(2)),
            layers.Dense(3, name="fc2", **kernel(3)),
        ]
    )


def _loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _objective(model, exclude=(), **scoring):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 5, 5, 2)).astype("float32")
    y = rng.integers(0, 3, 8)
    return Objective(
        model, (x, y), _loss(), ScoringConfig(**scoring), exclude=exclude
    )


def _scores(criterion, model, **scoring):
    objective = _objective(model, precision="float64", **scoring)
    return scores_by(criterion, objective)


def _require(condition, message):
    if not condition:
        raise AssertionError(message)


def _require_close(one, other, tolerance, how):
    largest = max(np.abs(array).max() for array in one.values())
    for name, array in one.items():
        error = np.abs(array - other[name]).max() / (largest or 1.0)
        _require(
            error <= tolerance,
            f"The scores of {name!r} on a batch {how} differ from those on "
            f"the whole batch, by {error:.1e} of the largest score. Expected "
            f"at most {tolerance:.0e}: means over the examples, as "
            "`objective.gradient` and `objective.hvp` give them.",
        )
