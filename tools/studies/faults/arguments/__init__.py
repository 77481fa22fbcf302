"""Wrong arguments: every public call, with one argument that does not fit.

A case is a good call of `calls.py` of which one argument, sometimes two, are
replaced by a value of `values.py`. It follows from a seed and its number
alone. What came out is one of:

    words    kprune raised, and said what it expected
    taken    no error
    own      a function or object of the caller's own raised
    mute     kprune raised, with words that do not say what it expected
    bare     kprune's own lines failed, without words
    deep     Keras, TensorFlow, NumPy or Python failed
    endless  no end within the time limit
    changed  a model, or something global, is not what it was before

The first three are right.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys

from faults.outcomes import Outcome

KINDS = ("words", "taken", "own", "mute", "bare", "deep", "endless", "changed")
RIGHT = ("words", "taken", "own")
CHUNK = 1000  # Cases of a process.
LIMIT = 60  # Seconds, for one case.


def measure(workdir, seeds, cases):
    """Returns an outcome for each seed."""
    return [_of_seed(pathlib.Path(workdir), seed, cases) for seed in seeds]


def _of_seed(workdir, seed, cases):
    records = []
    for first in range(0, cases, CHUNK):
        numbers = range(first, min(first + CHUNK, cases))
        records += _chunk(workdir.resolve(), seed, numbers)
    counts = collections.Counter(record["kind"] for record in records)
    found = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    wrong = [r for r in records if r["kind"] not in RIGHT]
    lines = [
        f"{r['kind']}: case {r['number']} of seed {seed}, {r['call']}: "
        f"{r['what']}"
        for r in wrong
    ]
    return Outcome(f"wrong arguments, seed {seed}", len(records), found, lines)


def _chunk(workdir, seed, numbers):
    """Returns the records of some cases. A process that stops to answer is
    ended, its case counts as endless, and the next one takes over."""
    records = []
    while len(records) < len(numbers):
        rest = numbers[len(records) :]
        path = workdir / f"{seed}_{rest[0]}.jsonl"
        _run(workdir, path, seed, rest)
        found = [json.loads(line) for line in path.read_text().splitlines()]
        records += found
        if len(found) < len(rest):
            number = rest[len(found)]
            what = {"call": "?", "what": "the process did not come back"}
            records.append({"number": number, "kind": "endless", **what})
    return records


def _run(workdir, path, seed, numbers):
    """Runs cases in a process of their own, as long as it makes headway."""
    path.write_text("")
    span = map(str, (seed, numbers.start, numbers.stop))
    program = "from faults.arguments import worker; worker.main()"
    command = [sys.executable, "-c", program, str(path), str(workdir), *span]
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment = {**os.environ, **paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(workdir / "output.txt", "ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output
        )
        size = -1
        while True:
            try:
                process.wait(5 * LIMIT)
                return
            except subprocess.TimeoutExpired:
                before, size = size, path.stat().st_size
                if size == before:
                    process.kill()
                    process.wait()
                    return
