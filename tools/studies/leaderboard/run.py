"""Every method of kprune, by the same budget of training.

  python tools/studies/run.py leaderboard --workdir=DIRECTORY \\
      --data_dir=DIRECTORY

Each cell (network, method, sparsity, seed) is a file of the directory, and is
not computed again: the same command goes on where it was stopped, and one with
more --networks, --methods, --sparsities or --seeds adds to it. At the end come
tables in Markdown of all cells that are there, with what is missing and its
price. `--report` prints them without running anything.
"""

import itertools
import os
import sys
import time

import keras

from kprune.experiment import directory
from kprune.runtime import files, lookup, user_warnings
from leaderboard import bench, networks, rows
from leaderboard.results import Cell, Results

_SHARES = ("0.95", "0.98", "0.9", "0.99")


def define(flags):
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    flags.string("data_dir", None, "Directory of the data sets.")
    flags.list("networks", ["lenet_300_100"], "Networks.")
    flags.list("methods", list(rows.ROWS), "Rows, by name.")
    flags.list("sparsities", list(_SHARES), "Shares of the weights.")
    flags.list("seeds", ["0", "1", "2"], "Of weights, batches and scores.")
    flags.boolean("report", False, "Whether to print tables and run nothing.")
    text = "Whether to do all in the small, with what sizes do not matter to."
    flags.boolean("quick", False, text)


def main(flags):
    for name in flags.networks:
        lookup.choose(name, networks.NETWORKS, "network")
    for name in flags.methods:
        lookup.choose(name, rows.ROWS, "row")
    config = {"study": "leaderboard", "quick": flags.quick}
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})
    cells = cells_of(flags)
    failed = []
    if not flags.report:
        failed = complete(flags, cells)
    print(f"\n{Results(flags.workdir, cells).report()}", flush=True)
    if rows.unknown():
        print(f"No row and no reason: {', '.join(rows.unknown())}")
    if failed:
        sys.exit("\n".join(["These cells failed:", *failed]))


def cells_of(flags):
    """Returns all cells in the order to run them: of a network, two
    sparsities of all seeds and methods before the next two."""
    shares = [float(share) for share in flags.sparsities]
    seeds = [int(seed) for seed in flags.seeds]
    found = {}
    for network in flags.networks:
        for first in range(0, len(shares), 2):
            pair = shares[first : first + 2]
            order = itertools.product(seeds, flags.methods, pair)
            for seed, row, share in order:
                # A dense network is the same for all sparsities.
                share = 0.0 if row == "dense" else share
                found[Cell(network, row, share, seed)] = None
    return list(found)


def complete(flags, cells):
    """Runs the cells that are missing; returns a line for each that fails.

    A cell that fails has no file, and the next run tries it again.
    """
    held, failed = (None, None), []
    for number, cell in enumerate(cells):
        path = cell.path(flags.workdir)
        if files.read_record(path) is not None:
            continue
        if held[0] != cell.network:
            network = networks.NETWORKS[cell.network]
            network = networks.QUICK if flags.quick else network
            check_budget(os.path.dirname(path), network.budget)
            data = networks.load(network, flags.data_dir)
            held = cell.network, bench.Bench(network, data)
        try:
            found = measure(held[1], cell)
        except Exception as error:  # An hour of others is not lost by it.
            failed.append(f"{cell.name}: {type(error).__name__}: {error}")
            print(f"{number + 1} of {len(cells)}: {failed[-1]}", flush=True)
            continue
        files.write_record(path, found)
        print(
            f"{number + 1} of {len(cells)}: {cell.name}: "
            f"{found['accuracy']:.2f} % at {found['sparsity']:.2f} %, "
            f"{found['seconds']:.1f} s",
            flush=True,
        )
    return failed


def check_budget(folder, budget):
    """Refuses to add cells of one budget to those of another."""
    files.make_directory(folder)
    path = os.path.join(folder, "budget.json")
    found = files.read_record(path)
    if found is None:
        files.write_record(path, budget)
    elif found != budget:
        raise ValueError(
            f"Expected the budget of the cells in {folder!r}, {found}. "
            f"Received: {budget}. Use another --workdir."
        )


def measure(held, cell):
    """Returns what a cell comes to, a dict; `seconds` are those of the
    processor, whatever else runs on it."""
    begin = time.process_time()
    keras.utils.set_random_seed(cell.seed)
    with user_warnings.silenced():
        run = rows.ROWS[cell.row].run
        model = run(held, cell.sparsity, cell.seed)
        found = {
            "accuracy": held.accuracy(model),
            "sparsity": bench.sparsity(model),
        }
    found["seconds"] = time.process_time() - begin
    return found
