"""Trains a seed's search and the baselines of its tickets."""

import pathlib
import time

import keras
import tensorflow as tf

from kprune import tickets
from kprune.analysis import sanity
from kprune.experiment.directory import held
from kprune.experiment.runs import build
from kprune.experiment.tickets import records
from kprune.runtime import files, seeds
from kprune.tickets.training_segment import TrainingSegment


def all_of(config, wanted, directory, data_dir, tell):
    """Returns the results of a seed, and trains those that are missing.

    It locks the directory against other processes.

    Args:
        config: `ConfigDict`, complete.
        wanted: Dict, `config.paper.tickets`.
        directory: Path of the seed's directory.
        data_dir: As for `kprune.datasets.load`.
        tell: Function of (seed, level, variant, result), called for each.

    Returns:
        Dict from (level, variant) to a dict with `accuracy`, `loss`,
        `sparsity` and `seconds`.
    """
    with held(directory):
        files.sweep(directory)
        return _all_of(config, wanted, pathlib.Path(directory), data_dir, tell)


def _all_of(config, wanted, directory, data_dir, tell):
    # Each level has its own model, and TensorFlow warns of repeated tracing.
    tf.get_logger().setLevel("ERROR")
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    run = build(config, data_dir, verbose=0)
    found = {}
    records.write(directory, config, wanted, found)
    start = time.perf_counter()
    for level, ticket in _tickets(config, wanted, run, directory):
        trained = [("ticket", lambda ticket=ticket: ticket.model)]
        if level in wanted["baselines_at"]:
            trained += _baselines(config, run, ticket, level, directory)
        for variant, train in trained:
            path = directory / f"{variant}-{level:02d}.json"
            result = _measured(path, train, run.test, ticket.sparsity, start)
            found[level, variant] = result
            tell(config.seed, level, variant, result)
            records.write(directory, config, wanted, found)
            start = time.perf_counter()
    return found


def _tickets(config, wanted, run, directory):
    """Yields (level, ticket), of one search or of one for each sparsity."""

    def search(name, levels, fraction):
        training = tickets.Training(
            run.train,
            config.training.epochs,
            run.steps_per_epoch,
            directory=directory / name,
            checkpoint=config.checkpoint.every,
            seed=config.seed,
            verbose=0,
        )
        how = {key: wanted[key] for key in ("rewind_to", "learning_rate")}
        # The key is older than the argument's name.
        how["rewind_weights"] = wanted["survivors"]
        return tickets.imp(
            run.model, training, levels=levels, fraction=fraction, **how
        )

    if "sparsities" in wanted:
        for number, sparsity in enumerate(wanted["sparsities"], 1):
            for ticket in search(f"search-{sparsity:g}", 1, sparsity):
                if ticket.level == 1 or number == 1:
                    yield number * ticket.level, ticket
        return
    fraction = wanted["fraction"]
    if fraction == "by layer":
        fraction = tickets.layer_fractions(run.model)
    else:  # The command line gives a string.
        fraction = float(fraction)
    for ticket in search("search", wanted["levels"], fraction):
        yield ticket.level, ticket


def _baselines(config, run, ticket, level, directory):
    """Returns the baselines of a ticket, as (variant, function to train it)."""

    def seed(purpose):
        stream = seeds.stream(config.seed, purpose, level)
        return int(stream.integers(2**31))

    def reinitialized():
        model = ticket.rewound()
        sanity.reinitialize(model, seed("reinitialized"))
        return trained(model, "reinitialized")

    def shuffled():
        masks = sanity.shuffle(ticket.masks, seed("shuffled"))
        return trained(ticket.rewound(masks), "shuffled")

    def trained(model, variant):
        training = TrainingSegment(
            run.train,
            run.steps_per_epoch,
            config.training.epochs,
            every=config.checkpoint.every,
            verbose=0,
        )
        name = f"{variant}-{level:02d}"
        checkpoints = directory / "checkpoints" / name
        training.run(model, ticket.first_step, training.steps, checkpoints)
        return model

    return [("reinitialized", reinitialized), ("shuffled", shuffled)]


def _measured(path, train, test, sparsity, start):
    """Returns the result in a file, and measures it first if there is none."""
    found = files.read_record(path)
    if found is not None:
        _tidy(path)
        if found["sparsity"] != sparsity:
            raise ValueError(
                f"{path} is of another ticket, at {found['sparsity']:.6f}. "
                f"Expected one at {sparsity:.6f}. Name another --runs."
            )
        return found
    measured = train().evaluate(test, return_dict=True, verbose=0)
    result = {
        "accuracy": measured["accuracy"],
        "loss": measured["loss"],
        "sparsity": sparsity,
        "seconds": time.perf_counter() - start,
    }
    files.write_record(path, result, indent=None)
    _tidy(path)
    return result


def _tidy(path):
    """Removes the checkpoints of a result."""
    files.remove(path.parent / "checkpoints" / path.stem)
    files.remove_if_empty(path.parent / "checkpoints")
