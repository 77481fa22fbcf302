"""What is trained for a seed: the search, and the baselines of its tickets."""

import json
import os
import pathlib
import shutil
import time

import keras
import tensorflow as tf

import kprune
from kprune import experiment, seeds
from kprune.tickets import course

_SEARCH = ("levels", "rewind_to", "survivors", "learning_rate")


def all_of(config, wanted, directory, data_dir, tell):
    """Returns the results of a seed, trained unless they are there.

    Args:
        config: Config of the dense network, with the seed.
        wanted: Dict, `config.paper.tickets`.
        directory: Path of the seed's results.
        data_dir: As for `kprune.datasets.load`.
        tell: Function of (seed, level, variant, result), called for each.

    Returns:
        Dict from (level, variant) to a dict with `accuracy`, `sparsity` and
        `seconds`.
    """
    directory = pathlib.Path(directory)
    # Each level has a model of its own, and TensorFlow warns of the tracing.
    tf.get_logger().setLevel("ERROR")
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    run = experiment.build(config, data_dir, verbose=0)
    options = {name: wanted[name] for name in _SEARCH}
    fraction = wanted["fraction"]
    if fraction == "by layer":
        fraction = kprune.tickets.layer_fractions(run.model)
    else:  # A text, if it comes from the command line.
        fraction = float(fraction)
    tickets = kprune.tickets.imp(
        run.model,
        run.train,
        fraction=fraction,
        epochs=config.training.epochs,
        steps_per_epoch=run.steps_per_epoch,
        directory=directory / "search",
        checkpoint=config.checkpoint.every,
        seed=config.seed,
        verbose=0,
        **options,
    )
    found = {}
    start = time.perf_counter()
    for ticket in tickets:
        trained = [("ticket", lambda ticket=ticket: ticket.model)]
        if ticket.level in wanted["baselines_at"]:
            trained += _baselines(config, run, ticket, directory)
        for variant, train in trained:
            path = directory / f"{variant}-{ticket.level:02d}.json"
            result = _measured(path, train, run.test, ticket.sparsity, start)
            found[ticket.level, variant] = result
            tell(config.seed, ticket.level, variant, result)
            start = time.perf_counter()
    return found


def _baselines(config, run, ticket, directory):
    """Returns the variants of a ticket, with functions that train them."""

    def seed(purpose):
        stream = seeds.stream(config.seed, purpose, ticket.level)
        return int(stream.integers(2**31))

    def reinitialized():
        model = ticket.rewound()
        kprune.sanity.reinitialize(model, seed("reinitialized"))
        return trained(model, "reinitialized")

    def shuffled():
        masks = kprune.sanity.shuffle(ticket.masks, seed("shuffled"))
        return trained(ticket.rewound(masks), "shuffled")

    def trained(model, variant):
        training = course.Course(
            run.train,
            run.steps_per_epoch,
            config.training.epochs,
            every=config.checkpoint.every,
            verbose=0,
        )
        name = f"{variant}-{ticket.level:02d}"
        checkpoints = directory / "checkpoints" / name
        training.run(model, ticket.first_step, training.steps, checkpoints)
        return model

    return [("reinitialized", reinitialized), ("shuffled", shuffled)]


def _measured(path, train, test, sparsity, start):
    """Returns the result in a file, measured and written if there is none."""
    if path.exists():
        return json.loads(path.read_text())
    measured = train().evaluate(test, return_dict=True, verbose=0)
    result = {
        "accuracy": measured["accuracy"],
        "loss": measured["loss"],
        "sparsity": sparsity,
        "seconds": time.perf_counter() - start,
    }
    half = path.with_suffix(".part")
    half.write_text(json.dumps(result))
    os.replace(half, path)
    checkpoints = path.parent / "checkpoints" / path.stem
    shutil.rmtree(checkpoints, ignore_errors=True)
    return result
