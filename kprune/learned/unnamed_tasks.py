"""SupSup without task names: the scenario NNs of Wortsman et al., 2020.

https://arxiv.org/abs/2006.14769
"""

import keras
import numpy as np
import tensorflow as tf

from kprune.learned import task_inference
from kprune.learned.supsup import SupermaskStack
from kprune.runtime import checks, fit_arguments, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(
    stack=checks.of_class(SupermaskStack, "a `kprune.learned.SupermaskStack`"),
    data=fit_arguments.finite_dataset,
    every=checks.at_least(1),
    tolerance=checks.within("(0, inf)"),
    candidates=checks.at_least(2),
    optimizer=checks.optional(fit_arguments.optimizer),
)
def train_unnamed(
    stack: SupermaskStack,
    data: tf.data.Dataset,
    *,
    every: int = 100,
    tolerance: float = 0.125,
    candidates: int = 5,
    loss: types.Loss | None = None,
    optimizer: str | keras.optimizers.Optimizer | None = None,
) -> list[str]:
    """Trains masks for tasks that change without notice, and names the tasks.

        v = softmax(-dH/d alpha),  at alpha_i = 1/k
        k max_i v_i < 1 + tolerance:  a new task, otherwise task argmax_i v_i

    Before the first of every `every` batches, its task is inferred. H is the
    mean entropy of the outputs of the superposed masks. If v is about uniform,
    no mask knows the batch, and a new task begins. These batches then train
    the mask of their task. `stack.infer` and `stack.predict` serve for tests.

    The k masks are those of the known tasks, and as many untrained ones as
    make k at least `candidates`: a single mask could not be preferred. An
    untrained mask that is preferred begins a new task as well.

    Args:
        stack: A `kprune.learned.SupermaskStack`, with or without tasks. New
            tasks are called `"task1"`, `"task2"` and so on.
        data: `tf.data.Dataset` of batches (x, y). Tasks change between
            batches only.
        every: Integer >= 1, in batches. Defaults to 100.
        tolerance: Number > 0. Defaults to 0.125. The authors' code notes 0.1
            to 0.2 as best.
        candidates: Integer >= 2. Defaults to 5, the authors'.
        loss, optimizer: As for `SupermaskStack.train`. The optimizer's state
            goes on from task to task.

    Returns:
        List of task names, one for every `every` batches.

    Raises:
        ValueError: If an argument is invalid. The stack is then as before.

    Example:

    >>> stack = kprune.learned.SupermaskStack(model)
    >>> kprune.learned.train_unnamed(stack, train.take(4), every=4)
    ['task1']
    >>> stack.tasks
    ['task1']
    """
    states, current = dict(stack._states), stack._get()
    names: list[str] = []
    try:
        stack._compile(data, loss, optimizer)
        for number, batch in enumerate(data):
            if number % every == 0:
                _keep(stack, names)
                names.append(_task_of(stack, batch[0], tolerance, candidates))
                _begin(stack, names[-1])
            stack.net.train_on_batch(*batch)
        _keep(stack, names)
    except BaseException:
        stack._states = states
        stack._set(current)
        raise
    return names


def decide(gradient: np.ndarray, tolerance: float) -> int | None:
    """Returns the index of the task that a gradient points to, or `None` if it
    is about uniform.

    Args:
        gradient: Array, dH/d alpha of each of k masks.
        tolerance: Number > 0.
    """
    shifted = np.exp(gradient.min() - np.asarray(gradient, np.float64))
    shares = shifted / shifted.sum()
    if len(shares) * shares.max() < 1 + tolerance:
        return None
    return int(np.argmax(shares))


def _task_of(stack, x, tolerance, candidates):
    """Returns the task of a batch, which may be a new one."""
    known = stack.tasks
    spare = _free_names(known, max(candidates - len(known), 1))
    if not known:
        return spare[0]
    names = [*known, *spare][: max(candidates, len(known))]
    states = dict(stack._states)
    try:
        for name in names[len(known) :]:
            stack._states[name] = {**stack._draw(name), **stack._fresh}
        mixture = stack._superpose()
    finally:
        stack._states = states
    uniform = np.full(len(names), 1 / len(names))
    gradient = mixture.gradient(x, task_inference.entropy, uniform)
    found = decide(gradient, tolerance)
    return spare[0] if found is None else names[found]


def _free_names(known, count):
    found = []
    number = 0
    while len(found) < count:
        number += 1
        if f"task{number}" not in known:
            found.append(f"task{number}")
    return found


def _begin(stack, task):
    """Switches the network to a task, which may be new."""
    new = {**stack._draw(task), **stack._fresh}
    stack._set(stack._states.get(task, new))


def _keep(stack, names):
    """Stores the mask in training under the name of its task."""
    if names:
        stack._states[names[-1]] = stack._get()
        stack._superposed = None


METHOD = Method(
    "train_unnamed",
    title="SupSup without task names (NNs)",
    formula=r"k \max_i \operatorname{softmax}_i\left(-\frac{\partial H}"
    r"{\partial \alpha}\right) < 1 + \varepsilon",
    call="kprune.learned.train_unnamed(stack, data)",
    paper="Wortsman et al., 2020",
    link="https://arxiv.org/abs/2006.14769",
    test="tests/learned/test_unnamed_tasks.py::test_the_decision_by_hand",
    deviation="an untrained mask that is preferred begins a new task; the "
    "authors' code trains it without counting it",
)
