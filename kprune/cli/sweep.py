"""Runs a config over methods, sparsities and seeds; skips what is done.

  kprune sweep --config=mnist_lenet --runs=runs/mnist \\
      --methods=dense,snip,grasp --sparsities=0.9,0.95,0.98 --seeds=0,1,2 \\
      --jobs=2

Each cell is a run like that of kprune train, without saved models, in its own
directory under --runs, whose name derives from its config. Its output is in
sweep.log there. kprune report makes tables and figures of the cells. Methods,
sparsities and seeds default to the config's `paper.sweep`; a method for which
the config's paper has its own settings is named by its label there.
--checks=none,shuffle,reinitialize also runs each method under these sanity
checks, except the dense network.

Stop it at any time: the same command resumes, and skips finished cells.
--dry_run shows the plan. Several sweeps may work on one directory, which hosts
can share: each takes cells that no other has taken. --shard=i/n, counted from
0, gives each of n hosts a fixed part instead. A sweep ends when all its cells
are finished, also those that another process runs.

--jobs processes run at a time. They share the cores (the number of threads may
change the last digits of a result) and the GPUs: --gpus_per_run=0.5 puts two
runs on each, --gpus_per_run=2 gives each run two.

--executor=slurm makes each cell a job of an array, --executor=ray a task of a
cluster. All nodes must see the runs' directory and the current one under the
same paths. A cell that is preempted, or whose node is lost, resumes from its
last checkpoint:

  kprune sweep ... --executor=slurm --slurm_partition=gpu --gpus_per_run=1 \\
      --slurm_minutes=120 --jobs=64
  kprune sweep ... --executor=ray --ray_address=auto --gpus_per_run=0.5

With slurm, --dry_run also shows the script; the cells continue if this process
is killed, and the same command finds them again.
"""

import os
import signal
import sys
import time

from kprune import experiment
from kprune.cli import executors, studies
from kprune.cli.flags import TRACK, environment
from kprune.experiment.sweep import grid
from kprune.experiment.sweep.worker import LOG
from kprune.experiment.tracking import destinations
from kprune.experiment.training import mend
from kprune.runtime import locks


def define(flags):
    studies.define(flags)
    methods, checks = map(
        ", ".join, (experiment.methods(), experiment.checks())
    )
    flags.list("methods", None, f"Of {methods}.")
    text = f"Sanity checks of each method: none, {checks}."
    flags.list("checks", ["none"], text)
    text = "Shares of the weights to remove, in [0, 1)."
    flags.list("sparsities", None, text)
    flags.list("networks", [], "Models. Defaults to the config's.")
    executors.define(flags)
    flags.string(
        "shard", "0/1", "Which part of the cells: i/n, with i from 0 to n - 1."
    )
    flags.list("track", None, TRACK)
    flags.boolean("dry_run", False, "Whether to show the plan and run nothing.")


def main(flags):
    executor = executors.chosen(flags)
    if flags.track is not None:
        flags.config.track = flags.track
    destinations.check(flags.track)
    cells = planned(flags)
    states = states_of(cells, flags.runs)
    left = [cell for cell in cells if states[cell.name] != "finished"]
    if flags.dry_run:
        for name, found in states.items():
            print(f"{found:<11} {name}")
        print(counted(states))
        if left and flags.executor == "slurm":
            print(f"\n{executor.script(flags.runs, len(left))}")
        return
    if left:
        executor.check(flags.config.distribute)
    print(f"{environment()}\n{counted(states)}", flush=True)
    failed = lost_of(states, flags.runs)
    failed |= run(executor, left, len(cells), flags)
    if failed:
        print(f"\n{len(failed)} of {len(cells)} cells failed:")
        for name, error in failed.items():
            print(f"  {name}: {error}")
            print(f"    {os.path.join(flags.runs, name, LOG)}")
        sys.exit(1)
    print(f"The results are in {flags.runs}.")


def planned(flags):
    """Returns the cells of this host, from the flags."""
    found = grid.cells(
        flags.config,
        asked(flags, "methods", str),
        asked(flags, "sparsities", float),
        asked(flags, "seeds", int),
        flags.networks,
        [None if check == "none" else check for check in flags.checks],
    )
    return grid.shard(found, flags.shard)


def asked(flags, name, kind):
    """Returns the values of a list flag, or the config's."""
    values = flags[name].value
    if values is None:
        values = flags.config.paper.to_dict().get("sweep", {}).get(name)
    if not values:
        raise ValueError(
            f"Expected --{name}=A,B,..., for the config has no "
            f"`paper.sweep.{name}`."
        )
    try:
        return [kind(value) for value in values]
    except ValueError as error:
        raise ValueError(
            f"Expected numbers in --{name}. Received: {values}"
        ) from error


def states_of(cells, runs):
    """Returns the state of each cell, a dict from its name to a word.

    Raises:
        ValueError: If none of the cells' directories in `runs` can be used.
    """
    found, errors = {}, []
    for cell in cells:
        workdir = os.path.join(runs, cell.name)
        try:
            state = experiment.status(workdir, cell.config)
        except ValueError as error:
            state = "damaged"
            errors.append(error)
        if state != "finished" and locks.holder(workdir) is not None:
            state = "running"
        found[cell.name] = state
    if errors and len(errors) == len(cells):
        raise errors[0]
    return found


def lost_of(states, runs):
    """Restores finished cells, and returns what they have lost for good.

    Returns:
        Dict from the name of a cell to a sentence.
    """
    finished = [name for name, state in states.items() if state == "finished"]
    told = {name: mend(os.path.join(runs, name)) for name in finished}
    return {name: words for name, words in told.items() if words}


def counted(states):
    """Returns a sentence that counts the cells by state."""
    found = list(states.values())
    parts = [f"{len(found)} cells: {found.count('finished')} finished"]
    words = ("resumable", "unfinished", "running", "damaged", "new")
    parts += [f"{found.count(word)} {word}" for word in words if word in found]
    return f"{', '.join(parts)}."


def run(executor, left, total, flags):
    """Runs cells, prints a line for each, and returns the errors by name."""
    if not left:
        return {}
    distribute = flags.config.distribute
    pool = executor.start(left, flags.runs, flags.data_dir, distribute)
    failed = {}
    done, started = 0, time.monotonic()
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        for cell, outcome in pool.outcomes():
            if "held" in outcome:
                print(f"{cell.name}: {outcome['held']} runs it", flush=True)
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
        print("\nStopping. The progress of all cells is saved.", flush=True)
        pool.stop()
        print(
            f"{total - len(left) + done - len(failed)} of {total} cells are "
            "finished. Run the same command again to resume."
        )
        sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)
    return failed


def _terminated(number, frame):
    raise KeyboardInterrupt(number)


def format_(outcome):
    """Returns the outcome of a cell in words."""
    if "error" in outcome:
        return f"FAILED, {outcome['error']}"
    result = outcome["result"]
    accuracy = f"test accuracy {100 * result['test_accuracy']:.2f} %"
    return f"{accuracy}, {result['seconds']:.1f} s"


def duration(seconds):
    """Returns a rounded duration in words, such as `"about 3 min"`."""
    if seconds < 100:
        return f"about {seconds:.0f} s"
    if seconds < 6000:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
