"""Trains several methods at several sparsities and seeds, and tabulates them.

  python tools/compare.py --config=configs/mnist_lenet.py \\
      --methods=dense,snip,grasp --sparsities=0.9,0.95,0.98 --seeds=0,1,2 \\
      --workdir=runs/mnist_lenet

Each cell is a run of tools/train.py in a directory of its own, without saved
models. Those that are finished are not run again: stop it and start it again
as you like. What is printed at the end is Markdown.
"""

import itertools
import os
import statistics
import time

import command_line
import keras
from absl import app, flags

import kprune
from kprune import experiment

_DENSE = "dense"

_CONFIG = command_line.define_config()
_WORKDIR = command_line.define_workdir("Directory of all runs.")
_DATA_DIR = command_line.define_data_dir()
_METHODS = flags.DEFINE_list(
    "methods",
    [_DENSE, "random", "magnitude", "snip", "grasp", "synflow"],
    f"Of dense, {', '.join(kprune.methods())}.",
)
_NETWORKS = flags.DEFINE_list(
    "networks", [], "Networks, each with a table. Defaults to the config's."
)
_SPARSITIES = flags.DEFINE_list(
    "sparsities", ["0.9", "0.95", "0.98"], "Shares of the weights to remove."
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        todo = cells(_CONFIG.value)
        check(todo)
    results = {}
    for done, (config, path) in enumerate(todo, start=1):
        started = time.perf_counter()
        keras.backend.clear_session()
        keras.utils.set_random_seed(config.seed)
        with command_line.errors_in_words():
            result = experiment.run(config, path, _DATA_DIR.value, verbose=0)
        seconds = time.perf_counter() - started
        print(
            f"[{done}/{len(todo)}] {os.path.basename(path)}: "
            f"{100 * result['test_accuracy']:.2f} %, {seconds:.1f} s",
            flush=True,
        )
        cell = (config.pruner.method, config.pruner.sparsity)
        of_network = results.setdefault(config.model.name, {})
        of_network.setdefault(cell, []).append(result["test_accuracy"])
    for network, found in results.items():
        print(f"\n{caption(_CONFIG.value, network)}\n\n{table(found)}")


def cells(base):
    """Returns the config and the directory of each run, seed by seed."""
    sparsities = [float(sparsity) for sparsity in _SPARSITIES.value]
    found = []
    for network, seed, method in itertools.product(
        _NETWORKS.value or [None], _SEEDS.value, _METHODS.value
    ):
        for sparsity in [0.0] if method == _DENSE else sparsities:
            config = base.copy_and_resolve_references()
            config.seed, config.artifacts = int(seed), False
            config.pruner.update(method=method, sparsity=sparsity)
            config.model.name = network or config.model.name
            config = experiment.complete(config)
            name = f"{method}-{sparsity:g}-seed{seed}"
            path = os.path.join(_WORKDIR.value, network or "", name)
            found.append((config, path))
    return found


def check(todo):
    """Raises before the first run if a later one cannot be had."""
    for config, path in todo:
        if config.pruner.method != _DENSE:
            kprune.recipes.get(
                config.pruner.method, **config.pruner.options.to_dict()
            )
        experiment.status(path, config)


def caption(config, network):
    """Returns a sentence on what the table holds."""
    training = config.training
    return (
        f"Test accuracy in % of {network} on {config.dataset.name}, "
        "by sparsity: mean ± standard deviation (n - 1) over the seeds "
        f"{', '.join(_SEEDS.value)}, after {training.epochs} epochs of "
        f"{training.optimizer} at {training.learning_rate:g}, batches of "
        f"{config.dataset.batch_size}."
    )


def table(results):
    """Returns accuracies as a Markdown table.

    Args:
        results: Dict from (method, sparsity) to a list of accuracies.
    """
    methods = list(dict.fromkeys(method for method, _ in results))
    sparsities = sorted({sparsity for _, sparsity in results})
    lines = [
        ["method", *(f"{100 * sparsity:g} %" for sparsity in sparsities)],
        ["---", *("---:" for _ in sparsities)],
    ]
    for method in methods:
        row = [results.get((method, sparsity)) for sparsity in sparsities]
        lines.append([method, *map(_cell, row)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(accuracies):
    if not accuracies:
        return ""
    mean = f"{100 * statistics.mean(accuracies):.2f}"
    if len(accuracies) == 1:
        return mean
    return f"{mean} ± {100 * statistics.stdev(accuracies):.2f}"


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
