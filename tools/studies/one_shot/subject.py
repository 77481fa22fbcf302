"""The network of a seed: it is trained once, and pruned in each way."""

import keras
import numpy as np

import kprune
from one_shot.ways import NM


class Subject:
    """A network that is trained from each seed, and pruned in one way after
    the other. Masks and values come and go, so that all is traced once.

    Args:
        task: A `one_shot.task.Task`.
    """

    def __init__(self, task):
        self._task, training = task, task.training
        self._wrapped = kprune.wrap(task.draw(0))
        # At the end, and after it, the rate is a quarter of the highest.
        warmup = training.steps // 10
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            training.steps - warmup,  # They begin after the warmup.
            alpha=0.25,
            warmup_target=training.rate,
            warmup_steps=warmup,
        )
        self._rate = _Later(rate)
        self._wrapped.compile(keras.optimizers.Adam(self._rate), task.loss)
        optimizer = self._wrapped.optimizer
        optimizer.build(self._wrapped.trainable_variables)
        self._ones = {
            name: np.ones_like(mask)
            for name, mask in kprune.get_masks(self._wrapped).items()
        }

    def trained(self, seed):
        """Returns a network that is trained on the data."""
        model = self._task.draw(seed)
        self._show(model)
        self._fit(self._task.training.steps, seed, begin=0)
        _copy(self._wrapped, model)
        return model

    def take(self, model, seed):
        """Takes a trained network as the one to prune."""
        self._model, self._seed = model, seed
        x, _ = self._task.data
        self._objective = kprune.Objective(
            model,
            self._task.data,
            self._task.loss,
            {"batch_size": len(x)},
            seed=seed,
            exclude=self._task.dense,
        )
        self._outlying = None

    def prune(self, way):
        """Prunes the trained network; returns the share that is kept of the
        weights of its blocks. With `None`, all of it is."""
        self._show(self._model)
        if way is None:
            return 1.0
        nm = way.sparsity == NM
        options = {"granularity": NM} if nm else {}
        if way.method != "magnitude":
            options["sequential"] = True
        pruner = kprune.recipes.get(
            way.method, allocation=self._allocation(way), **options
        )
        share = 0.5 if nm else way.sparsity
        masks = pruner.masks(self._objective, share)
        kprune.set_masks(self._wrapped, masks)
        if pruner.after_pruning is not None:
            pruner.after_pruning(
                self._wrapped, self._seed, objective=self._objective
            )
        kept = sum(int(mask.sum()) for mask in masks.values())
        return kept / sum(mask.size for mask in masks.values())

    def tune(self):
        """Trains the network on, with its masks."""
        training = self._task.training
        steps = training.tuned_steps
        self._fit(steps, self._seed + 1000, begin=training.steps)

    def measure(self):
        """Returns what the network comes to as it is."""
        task = self._task
        batch_size = task.training.batch_size
        return task.measure.of(self._wrapped, *task.test, batch_size)

    def _show(self, model):
        """Gives the network with masks a network's values, and no zeros."""
        kprune.set_masks(self._wrapped, self._ones)
        _copy(model, self._wrapped)

    def _fit(self, steps, seed, begin):
        """Trains by a fresh optimizer, with the rates from a step on.

        The optimizer counts from 0: Adam corrects its moments by their number
        of steps.
        """
        for variable in self._wrapped.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        self._rate.begin.assign(begin)
        size = self._task.training.batch_size
        rng = np.random.default_rng(seed)
        x, y = self._task.batches(steps * size, rng)
        self._wrapped.fit(x, y, size, shuffle=False, verbose=0)

    def _allocation(self, way):
        """Returns an allocation: outliers are those of Wanda's scores, and a
        layer is a block, as OWL's paper has it."""
        within = way.method == "wanda"
        if way.allocation == "uniform":
            return "per_output" if within else "uniform"
        if self._outlying is None:
            objective = self._objective
            wanda = kprune.criteria.get("wanda")
            self._outlying = wanda(
                objective, objective.weights, objective.masks
            )
        found = kprune.allocation.outlier_weighed(
            layers=self._task.blocks, scores=self._outlying
        )
        return kprune.allocation.per_outputs(found) if within else found


class _Later(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule from a later step on, `begin`, a variable."""

    def __init__(self, schedule):
        super().__init__()
        self._schedule = schedule
        self.begin = keras.Variable(0, trainable=False, dtype="int32")

    def __call__(self, step):
        step = keras.ops.cast(step, "int32")
        return self._schedule(step + self.begin)


def _copy(source, target):
    """Copies what trains; masks do not."""
    pairs = zip(
        source.trainable_variables, target.trainable_variables, strict=True
    )
    for one, other in pairs:
        other.assign(one)
