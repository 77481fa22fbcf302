"""Rows of the benchmark: transformers pruned in one shot."""

import json
import os
import pathlib
import subprocess
import sys

from benchmark.measurements import measured

_BINARY = pathlib.Path(__file__).parents[1] / "run.py"
# By default, glibc keeps freed blocks of up to 32 MB for later requests: they
# count as memory of the process, though nothing uses them.
_GIVEN_BACK = {
    f"MALLOC_{what}_THRESHOLD_": str(2**18) for what in ("MMAP", "TRIM")
}


def one_shot(flags):
    """Wanda of a large transformer, its masks alone and whole calls, in place
    and as a copy, and SparseGPT of a small one: memory over the model's own,
    time over forward passes."""
    wanda, sparsegpt = flags.transformers
    for how in ("masks", "inplace", "copy"):
        found = _costs("wanda", wanda, how, flags)
        least = "<= 1.5" if how != "copy" else "reported"
        yield from _told(f"Wanda, {wanda}, {how}", found, least, "<= 3")
    found = _costs("sparsegpt", sparsegpt, "masks", flags)
    yield from _told(f"SparseGPT, {sparsegpt}, masks", found)


def _costs(method, size, how, flags):
    """Returns what two fresh processes take (see `one_shot.costs`): one whose
    allocator gives freed memory back, and one as it comes."""
    call = f"--one_shot_of={method},{size},{how}"
    given = call, f"--sequences={flags.sequences}"
    command = [sys.executable, str(_BINARY), "benchmark", *given]

    def costs(environment):
        out = subprocess.check_output(command, env=os.environ | environment)
        return json.loads(out.splitlines()[-1])

    return costs(_GIVEN_BACK), costs({})


def _told(what, found, memory="reported", time="reported"):
    tight, found = found
    own = found["bytes"]
    held, built, grown = (
        (costs[name] - costs["start"]) / own
        for costs, name in ((tight, "most"), (tight, "built"), (found, "most"))
    )
    yield measured(
        f"{what}: peak memory / the model",
        [held],
        memory,
        note=f"the model is {own / 1e9:.3f} GB; made and run without pruning "
        f"it takes {built:.2f} x; with what glibc keeps, {grown:.2f} x",
    )
    unit = found["pass"]
    yield measured(
        f"{what}: time / a forward pass",
        [found["pruning"] / unit],
        time,
        note=f"{found['pruning']:.1f} s; a pass over the data {unit:.2f} s",
    )
