"""Files from strangers: hostile ones, damaged ones, and each bit flipped.

Whatever is wrong with a file has to be one `ValueError` that names it, before
more memory is taken than the file accounts for. What is read in spite of damage
has to be what was written.
"""

import random
import tracemalloc

import numpy as np

import kprune
from faults import hostile_archives
from faults.outcomes import Outcome
from kprune.cli import labelled_data
from kprune.training import CheckpointFiles

_MEMORY = 2**21  # What reading a file of a few kB may take.
_SHAPES = {"a/kernel": (5, 7), "b/kernel": (3, 3, 2, 4)}


def measure(workdir, seeds, cases, bomb=2**30):
    """Returns an `Outcome` for each kind of damage."""
    readers = make(workdir)
    return [
        hostile(readers),
        bits(workdir),
        damaged(readers, seeds, cases),
        bombs(workdir, bomb),
    ]


class Reader:
    """A kind of file: a good one, what it holds, and how it is read."""

    def __init__(self, path, load):
        self.path, self._load = path, load
        self.data = path.read_bytes()
        self.expected = self._flat()

    def fault(self, data, may_be_read=True):
        """Returns what is wrong with how bytes are read, or `None`."""
        self.path.write_bytes(data)
        try:
            found = self._flat()
        except ValueError as error:
            one_sentence = self.path.name in str(error) and "\n" not in str(
                error
            )
            return None if one_sentence else f"says: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if not may_be_read:
            return "was read"
        return None if found == self.expected else "other data in silence"

    def _flat(self):
        """Returns what is read as names, types, shapes and bytes."""
        flat = {}
        for name, value in self._load(self.path).items():
            array = np.asarray(value)
            flat[name] = (str(array.dtype), array.shape, array.tobytes())
        return flat


def frugal(call, *arguments):
    """Returns what a call gives, or a fault if it took much memory."""
    tracemalloc.start()
    try:
        found = call(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return f"took {peak:,} bytes" if peak > _MEMORY else found


def make(workdir):
    """Writes a good file of each kind, and returns a `Reader` of each."""
    rng = np.random.default_rng(0)
    masks = {n: rng.random(shape) < 0.5 for n, shape in _SHAPES.items()}
    signs = {
        n: ~mask | (rng.random(mask.shape) < 0.5) for n, mask in masks.items()
    }
    values = dict.fromkeys(masks, (0.5, -0.25))
    kprune.masks.save(masks, workdir / "masks.npz")
    kprune.kept_weights.Centroids(values, masks, signs).save(
        workdir / "centroids.npz"
    )
    arrays = {"x": rng.random((6, 4), "float32"), "y": np.arange(6)}
    np.savez_compressed(workdir / "labelled.npz", **arrays)
    checkpoints = CheckpointFiles(workdir / "checkpoints", keep=1)
    checkpoints.save(3, {"model": [arrays["x"]], "notes": {"a": 1}})
    return {
        "masks": Reader(workdir / "masks.npz", kprune.masks.load),
        "centroids": Reader(workdir / "centroids.npz", _centroids),
        "labelled": Reader(workdir / "labelled.npz", _labelled),
        "checkpoint": Reader(checkpoints.path(3), _checkpoint),
    }


def _centroids(path):
    found = kprune.kept_weights.Centroids.load(path)
    parts = {"values": found.values, "masks": found.masks, "signs": found.signs}
    return {
        f"{part}/{name}": value
        for part, values in parts.items()
        for name, value in values.items()
    }


def _checkpoint(path):
    _, state = CheckpointFiles(path.parent).latest()
    return {"model": state["model"][0], "notes": str(state["notes"])}


def _labelled(path):
    return dict(zip("xy", labelled_data.read(path), strict=True))


def hostile(readers):
    """Reads what `hostile_archives` makes of each kind of file."""
    failures, cases = [], 0
    for kind, reader in readers.items():
        made = hostile_archives.of_any_reader(reader.data)
        if kind == "labelled":  # Takes what else there is.
            del made["one array more"]
        for what, data in made.items():
            fault = frugal(reader.fault, data, False)
            cases += 1
            if fault:
                failures.append(f"{kind}, {what}: {fault}")
    found = f"{cases - len(failures)} refused in one sentence"
    return Outcome("hostile files, made by hand", cases, found, failures)


def bits(workdir):
    """Flips each bit of a masks file, one at a time."""
    path = workdir / "small.npz"
    kprune.masks.save({"a/kernel": np.arange(15).reshape(3, 5) % 2 == 0}, path)
    reader = Reader(path, kprune.masks.load)
    failures, cases = [], 8 * len(reader.data)
    for bit in range(cases):
        data = bytearray(reader.data)
        data[bit // 8] ^= 1 << bit % 8
        fault = reader.fault(bytes(data))
        if fault:
            failures.append(f"masks, bit {bit}: {fault}")
    found = f"{cases - len(failures)} refused, or read as it was written"
    return Outcome("each bit of a masks file flipped", cases, found, failures)


def damaged(readers, seeds, cases):
    """Damages files at random: bytes changed, cut out, doubled and moved."""
    failures = []
    kinds = sorted(readers)
    for seed in seeds:
        draw = random.Random(seed)
        for case in range(cases):
            kind = draw.choice(kinds)
            data = _damage(draw, readers[kind].data)
            fault = frugal(readers[kind].fault, data)
            if fault:
                failures.append(f"{kind}, seed {seed}, case {case}: {fault}")
    total = len(seeds) * cases
    found = f"{total - len(failures)} refused, or read as it was written"
    return Outcome("files damaged at random", total, found, failures)


def _damage(draw, data):
    for _ in range(draw.randint(1, 4)):
        a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        b = min(b, a + draw.choice((1, 2, 4, 64)))
        part = data[a:b]
        part = draw.choice(
            (draw.randbytes(len(part)), b"", 2 * part, bytes(len(part)))
        )
        data = data[:a] + part + data[b:]
        if draw.random() < 0.2:
            cut = draw.randrange(len(data) + 1)
            data = data[cut:] + data[:cut]
    return data


def _opened(load, path):
    """Returns what is wrong with how a bomb is read, or `None`."""
    try:
        load(path)
    except ValueError as error:
        return None if "bytes of arrays" in str(error) else str(error)
    return "was read"


def bombs(workdir, size):
    """Reads small files that unpack to much."""
    data = hostile_archives.bomb("bits/a.npy", size)
    path = workdir / "bomb.npz"
    path.write_bytes(data)
    loads = {
        "masks": kprune.masks.load,
        "centroids": kprune.kept_weights.Centroids.load,
        "labelled": labelled_data.read,
    }
    faults = {kind: frugal(_opened, load, path) for kind, load in loads.items()}
    failures = [f"{kind}: {fault}" for kind, fault in faults.items() if fault]
    what = f"{len(data):,} bytes that unpack to {size:,}"
    found = f"{len(loads) - len(failures)} refused before unpacking"
    return Outcome(what, len(loads), found, failures)
