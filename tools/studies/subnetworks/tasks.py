"""Tasks of permuted pixels, all in one network that does not change."""

import numpy as np
import tensorflow as tf

from kprune import datasets, learned
from kprune.runtime import seeds
from subnetworks.training import moved, optimizer, values


def permuted(build, experiment, seed, dataset):
    """Trains a mask for each of several tasks and tells the tasks apart.

    Args:
        build: Function that returns a plain network of logits.
        experiment: Dict with `tasks`, their number, `options` of
            `kprune.learned.SupermaskStack`, `training` (with `batch_size`), and
            `inference`: dicts of options of `infer`, each with a `label`.
        seed: Integer, of scores, orders and permutations.
        dataset: Arguments of `kprune.datasets.load_arrays`, and `augment`.

    Returns:
        Dict with `tasks`, dicts in percent: the accuracy with the task `given`
        and, for each label, that with the task inferred for each batch, and
        `LABEL, tasks`, the share of batches of which it was inferred right; and
        with `moved`, how many weights have another value after the last task.
    """
    training = experiment["training"]
    arguments = {k: v for k, v in dataset.items() if k != "augment"}
    (x, y), test = datasets.load_arrays(**arguments)
    size = training["batch_size"]
    limit = training.get("steps_per_epoch", len(x)) * size
    stack = learned.SupermaskStack(build(), seed=seed, **experiment["options"])
    before = values(stack.net, "kernel")
    names = [f"task{i}" for i in range(1, experiment["tasks"] + 1)]
    for name in names:
        pairs = seen(name, x[:limit], seed), y[:limit]
        batches = tf.data.Dataset.from_tensor_slices(pairs)
        batches = batches.shuffle(len(y), seed=seed).batch(size)
        by = optimizer(training, int(batches.cardinality()))
        epochs = training["epochs"]
        stack.train(name, batches, epochs=epochs, optimizer=by)
    measured = [
        _measured(stack, name, experiment, seed, test, size) for name in names
    ]
    unlike = moved(before, values(stack.net, "kernel"))
    return {"tasks": measured, "moved": unlike}


def seen(task, x, seed):
    """Returns the images of a task: pixels in an order of its own."""
    flat = x.reshape(len(x), -1)
    order = seeds.stream(seed, "pixels", task).permutation(flat.shape[1])
    return flat[:, order].reshape(x.shape)


def _measured(stack, task, experiment, seed, data, size):
    x, y = seen(task, data[0], seed), data[1]
    given = stack.use(task).predict(x, batch_size=1000, verbose=0)
    found = {"given": 100 * float(np.mean(given.argmax(1) == y))}
    starts = range(0, len(x) - size + 1, size)
    for rule in experiment["inference"]:
        options = {k: v for k, v in rule.items() if k != "label"}
        inferred = [stack.infer(x[i : i + size], **options) for i in starts]
        right = [
            np.mean(_classes(stack, name, x[i : i + size]) == y[i : i + size])
            for i, name in zip(starts, inferred, strict=True)
        ]
        tasks = [name == task for name in inferred]
        found[rule["label"]] = 100 * float(np.mean(right))
        found[f"{rule['label']}, tasks"] = 100 * float(np.mean(tasks))
    return found


def _classes(stack, task, x):
    return np.argmax(stack.use(task)(x, training=False), axis=1)
