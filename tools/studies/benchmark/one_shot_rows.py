"""Rows of the benchmark: transformers pruned in one shot."""

import json
import pathlib
import subprocess
import sys

from benchmark.measurements import measured

_BINARY = pathlib.Path(__file__).parents[1] / "run.py"


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
    """Returns what a fresh process takes (see `one_shot.costs`)."""
    call = f"--one_shot_of={method},{size},{how}"
    given = call, f"--sequences={flags.sequences}"
    command = [sys.executable, str(_BINARY), "benchmark", *given]
    return json.loads(subprocess.check_output(command).splitlines()[-1])


def _told(what, found, memory="reported", time="reported"):
    own = found["bytes"]
    built, grown = (found[n] - found["start"] for n in ("built", "most"))
    yield measured(
        f"{what}: peak memory / the model",
        [grown / own],
        memory,
        note=f"the model is {own / 1e9:.3f} GB; made and run without pruning "
        f"it takes {built / own:.2f} x",
    )
    unit = found["pass"]
    yield measured(
        f"{what}: time / a forward pass",
        [found["pruning"] / unit],
        time,
        note=f"{found['pruning']:.1f} s; a pass over the data {unit:.2f} s",
    )
