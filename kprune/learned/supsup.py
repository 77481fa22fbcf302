"""SupSup: many tasks in one frozen network (Wortsman et al., 2020).

https://arxiv.org/abs/2006.14769
"""

import contextlib
import json
import os
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.learned import task_inference, task_states
from kprune.learned.edge_popup import edge_popup
from kprune.learned.selected import choices, wrappers
from kprune.masking import cloning, weights, wrapping
from kprune.runtime import (
    array_files,
    checks,
    files,
    fit_arguments,
    keras_internals,
    lookup,
    saved_models,
    types,
)
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import losses
from kprune.training import fitting_data

_MODEL, _TASKS = "model.keras", "tasks.npz"


class SupermaskStack:
    """A network with frozen weights and a learned mask for each task.

    Each task trains its own scores, as edge-popup does, from a fresh
    initialization. A task stores its scores, and the moving statistics if the
    network has batch normalization.

    Args:
        model: A built Keras model without masks whose outputs are logits. It
            is not modified.
        sparsity: Share of each weight to leave out, in [0, 1). Defaults to
            0.5.
        weights, scale_fan, biases, exclude: As for
            `kprune.learned.edge_popup`. `weights` defaults to
            `"signed_constant"`, the paper's.
        seed: Integer >= 0. Defaults to 0.

    Attributes:
        net: The Keras model, at the task used last.

    Raises:
        ValueError: As `kprune.learned.edge_popup`.

    Example:

    >>> stack = kprune.learned.SupermaskStack(model)
    >>> stack.train("digits", train.take(5), epochs=1)
    >>> negatives = train.map(lambda x, y: (1 - x, y))
    >>> stack.train("negatives", negatives.take(5), epochs=1)
    >>> x, _ = next(iter(train))
    >>> stack.infer(x) in stack.tasks
    True
    """

    @checked(sparsity=checks.sparsity, scale_fan=checks.boolean)
    def __init__(
        self,
        model: types.Model,
        sparsity: float = 0.5,
        *,
        weights: str = "signed_constant",
        scale_fan: bool = False,
        biases: str = "keep",
        exclude: str | Collection[str] = (),
        seed: int = 0,
    ) -> None:
        values: dict[str, Any] = {
            "weights": weights,
            "scale_fan": scale_fan,
            "biases": biases,
        }
        net = edge_popup(model, sparsity, exclude=exclude, seed=seed, **values)
        self._begin(net, {})

    def _begin(self, net, states):
        self.net = net
        self._states = states
        # Each task starts from the statistics before any training.
        self._fresh = task_states.copied(task_states.statistics(net))
        self._superposed = None

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in the order of their first training."""
        return list(self._states)

    @checked(
        task=checks.string,
        data=fit_arguments.finite_dataset,
        optimizer=checks.optional(fit_arguments.optimizer),
    )
    def train(
        self,
        task: str,
        data: tf.data.Dataset,
        *,
        epochs: int = 1,
        loss: types.Loss | None = None,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        verbose: str | int = 0,
    ) -> None:
        """Trains the mask of a new task, or continues that of a known one.

        Args:
            task: String, the name of the task.
            data: `tf.data.Dataset` of batches (x, y).
            epochs: Integer >= 1. Defaults to 1.
            loss: A loss as for `compile`. Defaults to the cross-entropy that
                fits the outputs and labels.
            optimizer: An optimizer as for `compile`. Defaults to RMSprop at
                1e-4, the paper's.
            verbose: As for `fit`. Defaults to 0.
        """
        new = {**self._draw(task), **self._fresh}
        before = self._get()
        try:
            self._set(self._states.get(task, new))
            self._compile(data, loss, optimizer)
            self.net.fit(data, epochs=epochs, verbose=verbose)
        except BaseException:
            self._set(before)
            raise
        self._states[task] = self._get()
        self._superposed = None

    def _compile(self, data, loss, optimizer):
        """Compiles the network; raises if the first batch does not fit it."""
        first = next(iter(data), None)
        some = isinstance(first, tuple) and len(first) in (2, 3)
        checks.require(some, "data", first, "batches (x, y)")
        if loss is None:
            x, y, *_ = first
            outputs = self.net(_inputs(self.net, x))
            loss = losses.infer(self.net, outputs, np.asarray(y))
        with cloning.strategy_scope(self.net):
            if optimizer is None:
                optimizer = keras.optimizers.RMSprop(1e-4)
            self.net.compile(optimizer, loss)
        fitting_data.check(self.net, data, "data")

    def use(self, task: str) -> types.Model:
        """Switches `net` to a task, and returns it.

        Raises:
            ValueError: If the task is unknown.
        """
        self._set(lookup.choose(task, self._states, "task"))
        return self.net

    def masks(self, task: str) -> dict[str, np.ndarray]:
        """Returns a task's masks, a dict of boolean arrays by weight name."""
        with self._away():
            net = self.use(task)
            return {name: part.kept_mask() for name, _, part in choices(net)}

    @checked(classes=checks.optional(checks.at_least(1)))
    def infer(
        self, x: Any, rule: str = "one_shot", *, classes: int | None = None
    ) -> str:
        """Infers the task of a batch; returns its name.

        Args:
            x: Batch of inputs, all of one task.
            rule: `"one_shot"` (default), one gradient for all tasks, or
                `"binary"`, which halves the candidates with each gradient.
            classes: Integer, the number of outputs that labels use. The
                objective is then the paper's G, over the superfluous outputs.
                Defaults to the entropy of all outputs.

        Raises:
            ValueError: If no task was trained, or an argument is invalid.
        """
        choose = lookup.choose(rule, task_inference.RULES, "rule")
        x = _inputs(self.net, x)
        if not self._states:
            raise ValueError("Expected a task to be trained first.")
        objective = task_inference.entropy
        if classes is not None:
            outputs = self.net(x, training=False).shape[-1]
            fewer = f"fewer than the {outputs} outputs"
            checks.require(0 < classes < outputs, "classes", classes, fewer)
            objective = task_inference.superfluous(classes)
        if self._superposed is None:
            self._superposed = self._superpose()

        def gradient(alpha):
            return self._superposed.gradient(x, objective, alpha)

        return self.tasks[choose(gradient, len(self._states))]

    @checked()
    def predict(
        self,
        x: Any,
        task: str | None = None,
        *,
        rule: str = "one_shot",
        classes: int | None = None,
    ) -> Any:
        """Returns the outputs for a batch, and switches `net` to its task.

        Args:
            x: Batch of inputs, all of one task.
            task: String, its name. By default it is inferred from the batch.
            rule, classes: As for `infer`.
        """
        x = _inputs(self.net, x)
        if task is None:
            task = self.infer(x, rule, classes=classes)
        return self.use(task).predict(x, verbose=0)

    @checked()
    def save(self, directory: types.Path) -> None:
        """Writes the network and its tasks to a directory."""
        files.make_directory(directory)
        model, tasks = (os.path.join(directory, n) for n in (_MODEL, _TASKS))
        with self._away():
            self._set(self._fresh)
            files.write_keras(model, self.net, include_optimizer=False)
        arrays = {"names": np.array(json.dumps(self.tasks))}
        for place, state in enumerate(self._states.values()):
            arrays.update({f"{place}/{k}": v for k, v in state.items()})
        files.write_arrays(tasks, arrays)

    @classmethod
    @checked()
    def load(cls, directory: types.Path) -> "SupermaskStack":
        """Returns the stack that `save` wrote to a directory.

        Raises:
            ValueError: If a file is damaged or not of a stack.
        """
        model, tasks = (os.path.join(directory, n) for n in (_MODEL, _TASKS))
        stack = cls.__new__(cls)
        stack._begin(saved_models.load(model, compile=False), {})
        with array_files.reading(tasks) as arrays:
            stack._states = task_states.read(arrays, stack._variables())
        return stack

    def _variables(self):
        chosen = choices(self.net)
        scores = {f"scores/{name}": part.scores for name, _, part in chosen}
        return {**scores, **task_states.statistics(self.net)}

    def _get(self):
        return task_states.copied(self._variables())

    def _set(self, state):
        variables = self._variables()
        for key, value in state.items():
            variables[key].assign(value)

    @contextlib.contextmanager
    def _away(self):
        """Restores the network's current task on exit."""
        before = self._get()
        try:
            yield
        finally:
            self._set(before)

    def _draw(self, task):
        return {
            f"scores/{name}": part.draw(part.scores.shape, task)
            for name, _, part in choices(self.net)
        }

    def _superpose(self):
        values = {}
        with self._away():
            for task in self._states:
                for wrapper in wrappers(self.use(task)):
                    for name, value in wrapper.effective_weights().items():
                        values.setdefault(name, []).append(value)
        plain = wrapping.strip(self.net)
        found = {w.name: w.variable for w in weights.find(plain)}
        return task_inference.Superposition(
            plain, [(found[name], each) for name, each in values.items()]
        )


def _inputs(net, x):
    """Returns a batch of inputs; raises `ValueError` if it does not fit."""
    single = not isinstance(x, list | tuple | dict)
    found = checks.array("x", x, "biuf", "a batch of inputs") if single else x
    flat = keras.tree.flatten(found)
    shaped = flat and all(hasattr(one, "shape") for one in flat)
    checks.require(shaped, "x", x, "a batch of inputs")
    keras_internals.check_inputs(net, found)
    return found


METHOD = Method(
    "SupermaskStack",
    title="SupSup",
    call="kprune.learned.SupermaskStack(model)",
    paper="Wortsman et al., 2020",
    link="https://arxiv.org/abs/2006.14769",
    test="tests/learned/test_supsup.py::test_tasks_are_inferred_and_solved",
    deviation="tasks are named in training; see `train_unnamed` and "
    "`HopfieldStack`",
)
