"""Injects faults, and tells of those that are not answered as they should be.

  python tools/studies/run.py faults --workdir=runs/faults --parts=runs

Each part is a module beside this one, whose quick form is in the suite. What
is printed is the table of `docs/how-to/reliability.md`; the exit status is 1
if a single case came out wrong.
"""

import importlib
import pathlib
import sys

from kprune.runtime import files, lookup, tables

# By the name of a module that has `measure(workdir, seeds, cases)`.
PARTS = {
    "leaks": "what 20 to 200 calls leave behind",
    "arguments": "every public call with an argument that does not fit",
    "files_from_strangers": "hostile and damaged files",
    "workers": "workers that are missing, late or wrong",
    "damaged_runs": "runs whose files are damaged, lost or something else",
    "runs": "runs that are killed at each file operation",
}


def define(flags):
    flags.list("parts", list(PARTS), f"Of {', '.join(PARTS)}.")
    flags.string("workdir", None, "Directory to work in.")
    flags.require("workdir", "DIRECTORY")
    flags.list("seeds", ["1", "2", "3"], "Of what is drawn at random.")
    flags.integer("cases", 5000, "Random cases of each seed.", least=1)


def main(flags):
    for name in flags.parts:
        lookup.choose(name, PARTS, "part")
    failures = []
    rows = []
    for name in flags.parts:
        module = importlib.import_module(f"faults.{name}")
        directory = pathlib.Path(flags.workdir, name)
        files.make_directory(directory)
        seeds = list(map(int, flags.seeds))
        for outcome in module.measure(directory, seeds, flags.cases):
            rows.append([outcome.what, outcome.cases, outcome.found])
            failures += outcome.failures
            print(f"{outcome.what}: {outcome.found}", flush=True)
    head = ["what was tried", "cases", "what came out"]
    print(f"\n{tables.markdown(head, rows)}")
    if failures:
        print("\n".join(["", *failures]), file=sys.stderr)
        sys.exit(1)
