"""Prunes, trains and measures the candidates of a compression."""

import contextlib
import dataclasses
import random
import time

import keras
import numpy as np

from kprune import training
from kprune.analysis.report import report
from kprune.deploy.shrink import shrink
from kprune.deploy.shrink.shrinking import CutOff
from kprune.experiment.compression import costs
from kprune.experiment.compression.store import values_of
from kprune.masking import wrapping
from kprune.pruning.kept_weights.recalibration import recalibrating
from kprune.pruning.prune import prune
from kprune.pruning.target import CannotMeet
from kprune.runtime import seeds, user_warnings

SCORED = 8  # Batches to score on, for a method that reads data.
RECALIBRATED = 32  # Batches to measure batch normalization on.


class Candidates:
    """The candidates of a compression, made anew or read if finished.

    Args:
        recipe: A `preparing.Recipe`.
        store: A `Store`.
        clock: A `costs.Clock`, or `None` if time cannot be measured.
        directory: Path for temporary files.
        start: Number, the share that the original model has left.

    Attributes:
        records: List of dicts of measurements, by number; the first one is
            that of the original model.
    """

    def __init__(self, recipe, store, clock, directory, start=1.0):
        self._recipe, self._store = recipe, store
        self._clock, self._directory = clock, directory
        self._ways = recipe.goal.ways(recipe.method)
        self.records = []
        begun = time.perf_counter()
        self._take(start, None, None, begun, recipe.model)

    def attempt(self, parent, left):
        """Returns a candidate that leaves a share, pruned from its parent.

        The first is the best of one for each way to prune, and later ones are
        pruned in its way. Returns `None` if no more can be removed.
        """
        tried = [self._attempt(parent, left, way) for way in self._ways]
        made = [one for one in tried if one is not None]
        if not made:
            return None
        new = [one for one in made if one["number"] != parent["number"]]
        if not new:
            return made[0]
        best = max(new, key=self._value)
        self._ways = [self._ways[tried.index(best)]]
        return best

    def _value(self, record):
        """Returns a metric for which more is better; the worst for NaN."""
        metric = record["metric"]
        return (
            -np.inf if np.isnan(metric) else self._recipe.quality.sign * metric
        )

    def _attempt(self, parent, left, way):
        """Returns a candidate pruned in one way, or `None`; or its parent at
        this share, if they have the same masks."""
        number = len(self.records)
        found = self._store.record(number)
        if found is not None:
            return self._found(parent, left, way, found)
        begun, recipe = time.perf_counter(), self._recipe
        with _random_state(recipe.seed, number):
            network = self._pruned(parent, left, way)
            if network is None:
                return None
            if recipe.goal.measured and self._is_as_before(network, parent):
                return {**parent, "left": left}
            self._train(network, number)
        return self._take(left, parent, way, begun, network)

    def _found(self, parent, left, way, found):
        """Returns a finished candidate, or the parent if it was skipped.

        `_attempt` makes none whose masks are those of the parent, so that the
        next record belongs to another share or way.
        """
        if (found["left"], found["method"]) != (left, _described(way)):
            return {**parent, "left": left}
        return self._take(left, parent, way, None, None)

    def _is_as_before(self, network, parent):
        """Returns whether the masks of a network are those of its parent.

        That occurs because channels are few. Measured again, an equal model
        would get other times.
        """
        masks = wrapping.get_masks(network)
        before = wrapping.get_masks(self.network(parent["number"]))
        return all(np.array_equal(masks[name], before[name]) for name in masks)

    def network(self, number):
        """Returns the wrapped model of a candidate."""
        model = self._recipe.model
        if number == 0:
            return model
        network = wrapping.wrap(model, prove=False)
        values = self._store.values(number)
        for variable, value in zip(network.variables, values, strict=True):
            variable.assign(value)
        return network

    def finish(self, rows):
        """Writes the measurements of all candidates."""
        self._store.finish(rows)

    def finished(self, network):
        """Returns a candidate as a plain model, shrunk if asked for."""
        if self._recipe.shrinks:
            return shrink(network, verbose=0)
        return wrapping.strip(network)

    def _pruned(self, parent, left, way):
        """Returns a model pruned to a share, or `None` if it cannot be reached.

        That includes shares that would disconnect an output.
        """
        recipe = self._recipe
        try:
            # Its warnings are advice on scores and sparsities; the metric
            # judges the candidate.
            with user_warnings.silenced():
                network = prune(
                    self.network(parent["number"]),
                    **way,
                    **recipe.goal.size(left),
                    data=self._steps(parent["number"] + 1)(0).take(SCORED),
                    min_kept=1,
                    seed=recipe.seed,
                    prove=False,
                    verbose=0,
                )
            if recipe.shrinks:
                self.finished(network)
        except (CannotMeet, CutOff):
            return None
        return network

    def _steps(self, number):
        """Returns the function from a step to the batches of a candidate."""
        how = self._recipe.training
        length = how.finetune.epochs * how.steps.per_epoch
        return how.steps.since((number - 1) * length)

    def _train(self, network, number):
        recipe = self._recipe
        how, steps = recipe.training.finetune, recipe.training.steps
        if how.learning_rate is not None:
            network.optimizer = _at_rate(network.optimizer, how.learning_rate)
        batches = self._steps(number)
        after = contextlib.nullcontext()
        if how.recalibrate:
            count = min(RECALIBRATED, how.epochs * steps.per_epoch)
            after = recalibrating(network, batches(0).take(count))
        with after:
            training.fit(
                recipe.learner(network),
                batches,
                how.epochs,
                steps_per_epoch=steps.per_epoch,
                checkpoint=training.Checkpoint(
                    self._store.checkpoints(number), how.checkpoint
                ),
                verbose=recipe.verbose,
            )

    def _take(self, left, parent, way, begun, network):
        """Returns the record of the next candidate, and measures a new one."""
        number = len(self.records)
        found = self._store.record(number)
        if found is None:
            asked = {
                "number": number,
                "parent": parent and parent["number"],
                "left": left,
                "method": way and _described(way),
            }
            found = {**asked, **self._measure(network, number)}
            found["seconds"] = time.perf_counter() - begun
            found = self._store.save(number, values_of(network), found)
        found["within"] = self._is_within(found)
        found["met"] = self._recipe.goal.is_met(found)
        self.records.append(found)
        return found

    def _is_within(self, record):
        if self._recipe.max_drop is None or not self.records:
            return True
        before, after = self.records[0]["metric"], record["metric"]
        drop = self._recipe.quality.drop(before, after)
        return drop <= self._recipe.max_drop * (1 + 1e-9)

    def _measure(self, network, number):
        """Returns the measurements of a trained network, a dict."""
        goal = self._recipe.goal
        metric, interval = self._recipe.quality.measure(
            wrapping.strip(network, prove=False)
        )
        small = self.finished(network) if number else wrapping.strip(network)
        counts = costs.count(small)
        found = {
            "sparsity": report(
                network, multiply_adds=False, paths=False
            ).sparsity,
            "metric": metric,
            "interval": interval,
            **dataclasses.asdict(counts),
            **_NO_TIMES,
            "bytes": None,
        }
        if self._clock is not None:
            found |= self._clock.measure(small)
        if goal.kind == "bytes":
            found["bytes"] = costs.file_bytes(
                small, goal.runtime, self._directory
            )
        found["share"] = self._share(found)
        if goal.kind == "latency" and goal.is_met(found):
            found |= self._clock.measure_in_processes(small)
            found["share"] = self._share(found)
        return found

    def _share(self, found):
        """Returns a measured size as a share of the model's, or `None`."""
        kind = self._recipe.goal.kind
        if kind == "latency":
            return found["latency_share"]
        if kind != "bytes":
            return None
        first = self.records[0] if self.records else found
        return found["bytes"] / first["bytes"]


def _described(way):
    """Returns a way to prune in words, such as `"taylor, uniform"`."""
    if not isinstance(way["method"], str):
        return "as given"
    return ", ".join(way[key] for key in ("method", "allocation") if key in way)


def _at_rate(optimizer, rate):
    """Returns a new optimizer like another, at a learning rate or schedule."""
    config = optimizer.get_config()
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is None:
        config["learning_rate"] = rate
    else:  # A `LossScaleOptimizer`, which wraps another one.
        fresh = _at_rate(inner, rate)
        config["inner_optimizer"] = keras.saving.serialize_keras_object(fresh)
    return type(optimizer).from_config(config)


_NO_TIMES = dict.fromkeys(
    ("latency", "latency_share", "latency_spread", "latency_processes")
)


@contextlib.contextmanager
def _random_state(seed, number):
    """Seeds Python's and NumPy's global generators for a block.

    The seed derives from `seed` and `number`. Afterwards the states are
    restored.
    """
    before = random.getstate(), np.random.get_state()
    draws = int(seeds.stream(seed, "candidate", number).integers(2**32))
    random.seed(draws)
    np.random.seed(draws)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
