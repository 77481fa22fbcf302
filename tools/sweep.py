"""Runs a config over methods, sparsities and seeds, as far as it is not done.

  python tools/sweep.py --config=configs/mnist_lenet.py --runs=runs/mnist \\
      --methods=dense,snip,grasp --sparsities=0.9,0.95,0.98 --seeds=0,1,2 \\
      --jobs=2

Each cell is a run as of tools/train.py, without saved models, in a directory
of its own under --runs, which is named by what the run is. What it prints is
in sweep.log there. tools/report.py makes tables and figures of them. Methods,
sparsities and seeds default to those in the config's `paper.sweep`; a method
that the config's paper runs with settings of its own goes by its label there.
--checks=none,shuffle,reinitialize runs each method also with these sanity
checks in place of itself, the dense network apart.

Stop it as you like: the same command goes on, and finished cells are not run
again. --dry_run shows what there is to do. Several may work on one directory,
which hosts can share: each takes what no other has taken. --shard=i/n, counted
from 0, gives each of n hosts a fixed part instead. It ends when all its cells
are finished, also those that another process runs.

--jobs processes run at a time and share the cores (how many threads compute
may change the last digits of a result).
"""

import os
import signal
import sys
import time

import command_line
import tensorflow as tf
from absl import app, flags
from sweeping import claims, grid
from sweeping.pool import Pool
from sweeping.worker import LOG

from kprune import experiment

_CONFIG = command_line.define_config()
_RUNS = flags.DEFINE_string("runs", None, "Directory of all runs.")
_DATA_DIR = command_line.define_data_dir()
_METHODS = flags.DEFINE_list(
    "methods", None, f"Of {', '.join(experiment.methods())}."
)
_CHECKS = flags.DEFINE_list(
    "checks",
    ["none"],
    f"Sanity checks of each method: none, {', '.join(experiment.checks())}.",
)
_SPARSITIES = flags.DEFINE_list(
    "sparsities", None, "Shares of the weights to remove, in [0, 1)."
)
_SEEDS = flags.DEFINE_list("seeds", None, "Whole numbers.")
_NETWORKS = flags.DEFINE_list(
    "networks", None, "Models. Defaults to the config's."
)
_JOBS = flags.DEFINE_integer(
    "jobs", 1, "How many cells to run at a time.", lower_bound=1
)
_SHARD = flags.DEFINE_string(
    "shard", "0/1", "Which part of the cells: i/n, with i from 0 to n - 1."
)
_DRY_RUN = flags.DEFINE_boolean(
    "dry_run", False, "Whether to show the plan and run nothing."
)
flags.register_validator(
    "runs", lambda value: value is not None, "Expected --runs=DIRECTORY"
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        cells = planned(_CONFIG.value)
        states = states_of(cells)
    if _DRY_RUN.value:
        for name, found in states.items():
            print(f"{found:<11} {name}")
        print(counted(states))
        return
    left = [cell for cell in cells if states[cell.name] != "finished"]
    print(f"{command_line.environment()}\n{counted(states)}", flush=True)
    failed = run(left, len(cells))
    if failed:
        print(f"\n{len(failed)} of {len(cells)} cells failed:")
        for name, error in failed.items():
            print(f"  {name}: {error}")
            print(f"    {os.path.join(_RUNS.value, name, LOG)}")
        sys.exit(1)
    print(f"All is in {_RUNS.value}.")


def planned(config):
    """Returns the cells that the flags ask of this host."""
    defaults = config.paper.to_dict().get("sweep", {})
    found = grid.cells(
        config,
        asked(_METHODS, defaults, str),
        asked(_SPARSITIES, defaults, float),
        asked(_SEEDS, defaults, int),
        _NETWORKS.value or (),
        [None if check == "none" else check for check in _CHECKS.value],
    )
    return grid.shard(found, _SHARD.value)


def asked(flag, defaults, kind):
    """Returns the values of a list flag, or the config's."""
    values = flag.value
    if values is None:
        values = defaults.get(flag.name)
    if not values:
        raise ValueError(
            f"Expected --{flag.name}=A,B,..., for the config has no "
            f"`paper.sweep.{flag.name}`."
        )
    try:
        return [kind(value) for value in values]
    except ValueError as error:
        raise ValueError(
            f"Expected numbers in --{flag.name}. Received: {values}"
        ) from error


def states_of(cells):
    """Returns how far each cell is, in a word, by name.

    Raises:
        ValueError: If none of the directories can be used.
    """
    found, errors = {}, []
    for cell in cells:
        workdir = os.path.join(_RUNS.value, cell.name)
        try:
            state = experiment.status(workdir, cell.config)
        except ValueError as error:
            state = "damaged"
            errors.append(error)
        if state != "finished" and claims.holder(workdir) is not None:
            state = "running"
        found[cell.name] = state
    if errors and len(errors) == len(cells):
        raise errors[0]
    return found


def counted(states):
    """Returns a sentence on how many cells are how far."""
    found = list(states.values())
    text = f"{len(found)} cells: {found.count('finished')} finished"
    for word in ("resumable", "unfinished", "running", "damaged", "new"):
        if word in found:
            text += f", {found.count(word)} {word}"
    return f"{text}."


def run(left, total):
    """Runs cells, with a line for each, and returns the errors by name."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    if _CONFIG.value.distribute != "none":
        gpus = 0  # Each cell takes them all.
    pool = Pool(left, _RUNS.value, _JOBS.value, _DATA_DIR.value, gpus)
    failed = {}
    done, started = 0, time.monotonic()
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        for cell, outcome in pool.outcomes():
            if "held" in outcome:
                line = f"{cell.name}: {outcome['held']} runs it"
                print(line, flush=True)
                continue
            done += 1
            if "error" in outcome:
                failed[cell.name] = outcome["error"]
            number = total - len(left) + done
            pace = (time.monotonic() - started) / done
            ahead = duration(pace * (len(left) - done))
            print(
                f"[{number}/{total}] {cell.name}: {format_(outcome)}"
                + (f"; {ahead} left" if done < len(left) else ""),
                flush=True,
            )
    except KeyboardInterrupt as stop:
        print("\nStopping. What the cells go on from is saved.", flush=True)
        pool.stop()
        print(
            f"{total - len(left) + done - len(failed)} of {total} cells are "
            "finished. The same command goes on with the others."
        )
        sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)
    return failed


def _terminated(number, frame):
    raise KeyboardInterrupt(number)


def format_(outcome):
    """Returns what became of a cell."""
    if "error" in outcome:
        return f"FAILED, {outcome['error']}"
    result = outcome["result"]
    return f"{100 * result['test_accuracy']:.2f} %, {result['seconds']:.1f} s"


def duration(seconds):
    """Returns a length of time in words, rounded: `"about 3 min"`."""
    if seconds < 100:
        return f"about {seconds:.0f} s"
    if seconds < 6000:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
