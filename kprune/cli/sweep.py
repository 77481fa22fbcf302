"""Runs a config over methods, sparsities and seeds; skips what is done.

  kprune sweep --config=mnist_lenet --runs=runs/mnist \\
      --methods=dense,snip,grasp --sparsities=0.9,0.95,0.98 --seeds=0,1,2 \\
      --jobs=2

Each cell is a run as of kprune train, without saved models, in a directory of
its own under --runs, which is named by what the run is. What it prints is in
sweep.log there. kprune report makes tables and figures of them. Methods,
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
may change the last digits of a result), and the GPUs: --gpus_per_run=0.5 puts
two runs on each, --gpus_per_run=2 gives each run two.

--executor=slurm makes each cell a job of an array, --executor=ray a task of a
cluster. The runs' directory and the current one must be seen there too, by the
same paths. A cell that is preempted, or whose node is lost, goes on from its
last checkpoint:

  kprune sweep ... --executor=slurm --slurm_partition=gpu --gpus_per_run=1 \\
      --slurm_minutes=120 --jobs=64
  kprune sweep ... --executor=ray --ray_address=auto --gpus_per_run=0.5

With slurm, --dry_run shows the script too; the cells go on if this process is
killed, and the same command finds them again.
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
    print(f"All is in {flags.runs}.")


def planned(flags):
    """Returns the cells that the flags ask of this host."""
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
    """Returns how far each cell is, in a word, by name, or raises
    `ValueError` if none of their directories in `runs` can be used."""
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
    """Returns what finished cells have lost, in a sentence each by name; what
    can be mended is."""
    finished = [name for name, state in states.items() if state == "finished"]
    told = {name: mend(os.path.join(runs, name)) for name in finished}
    return {name: words for name, words in told.items() if words}


def counted(states):
    """Returns a sentence on how many cells are how far."""
    found = list(states.values())
    parts = [f"{len(found)} cells: {found.count('finished')} finished"]
    words = ("resumable", "unfinished", "running", "damaged", "new")
    parts += [f"{found.count(word)} {word}" for word in words if word in found]
    return f"{', '.join(parts)}."


def run(executor, left, total, flags):
    """Runs cells, with a line for each, and returns the errors by name."""
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
