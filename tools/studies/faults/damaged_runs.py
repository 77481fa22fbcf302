"""Files of runs that are damaged, lost or something else, one at a time.

The run is started again. It has to end with all files equal to those of a run
that was left in peace, or to say which file is wrong: in one error of a
sentence or a few, or in a warning if it is finished.
"""

import collections
import os
import pathlib
import random
import shutil
import warnings

import numpy as np

from faults import equal_runs, kinds_of_runs, runs
from faults.outcomes import Outcome

_FLIPS = 3  # Bits of each file, one at a time, for each seed.
_WORDS = (ValueError, RuntimeError, OSError)


def measure(workdir, seeds, cases):
    """Returns an `Outcome` for each kind of run and how far it had come."""
    del cases
    kinds, found = kinds_of_runs.kinds(), []
    for name in ("quick start", "a ticket search", "a sweep"):
        states = runs.states_of(kinds[name], workdir / name)
        begun = {"finished": states.whole, "unfinished": unfinished(states)}
        for how, begin in begun.items():
            folder = workdir / f"{name}, {how}"
            shutil.rmtree(folder, ignore_errors=True)
            what = f"damaged files: {name}, {how}"
            kind, whole = kinds[name], states.whole
            found.append(damaged(what, kind, begin, whole, folder, seeds))
    return found


def unfinished(states):
    """Returns the last state that has two checkpoints to go on from."""

    def waits(path):
        """Whether there is a run with two checkpoints that is not done."""
        return any(
            len(list(folder.rglob("step-*.npz"))) > 1
            and not (folder.parent / "DONE").exists()
            for folder in path.rglob("checkpoints")
        )

    return [path for path in states.paths if waits(path)][-1]


def damaged(what, kind, begin, whole, folder, seeds, only=None):
    """Damages each file of a directory in each way, a copy for each."""
    told, failures = collections.Counter(), []
    for number, (name, how) in enumerate(ways(begin, seeds, only)):
        copy = shutil.copytree(begin, folder / f"{number:04d}", symlinks=True)
        how(copy / name)
        result = answer(kind, copy, whole, name)
        told[result if result in _GOOD else "wrong"] += 1
        if result not in _GOOD:
            failures.append(f"{what}: {name}, {_said(how)}: {result}")
        shutil.rmtree(copy)
    found = ", ".join(f"{count} {word}" for word, count in told.items())
    return Outcome(what, told.total(), found, failures)


_EQUAL, _REFUSED, _WARNED = "ended equal", "refused in words", "told in words"
_GOOD = (_EQUAL, _REFUSED, _WARNED)


def answer(kind, directory, whole, name):
    """Returns what becomes of a run that is started on a damaged file: one of
    the good outcomes, or what is wrong with it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            kind.start(directory)
        except _WORDS as error:
            named = _names(str(error), directory, name)
            return _REFUSED if named else f"{type(error).__name__}: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    different = equal_runs.differences(directory, whole)
    if not different:
        return _EQUAL
    if any(_names(str(one.message), directory, name) for one in said):
        return _WARNED
    return f"in silence: {'; '.join(different)}"


def _names(text, directory, name):
    """Whether a text names a file, or the directory that it lies in."""
    folder = str(pathlib.Path(directory, name).parent)
    return name.split("/")[0] in text or folder in text


def ways(begin, seeds, only=None):
    """Yields (name of a file, function that damages it)."""
    for path in sorted(begin.rglob("*")):
        name = path.relative_to(begin).as_posix()
        if not path.is_file() or path.name in (".lock", "sweep.log"):
            continue
        if only is not None and not only(name):
            continue
        for how in (_cut, _empty, _zero, _remove, _text, _array, _folder):
            yield name, how
        for seed in seeds:
            draws = random.Random(f"{seed} {name}")
            for _ in range(_FLIPS):
                yield name, _Flip(draws.random(), draws.randrange(8))


def _cut(path):
    os.truncate(path, path.stat().st_size // 2)


def _empty(path):
    os.truncate(path, 0)


def _zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def _remove(path):
    path.unlink()


def _text(path):
    path.write_text("something else\n")


def _array(path):
    with open(path, "wb") as file:
        np.save(file, np.arange(3))


def _folder(path):
    path.unlink()
    path.mkdir()


class _Flip:
    """Flips a bit of the byte at a share of the file."""

    def __init__(self, share, bit):
        self.share, self.bit = share, bit

    def __call__(self, path):
        content = bytearray(path.read_bytes())
        content[int(self.share * len(content))] ^= 1 << self.bit
        path.write_bytes(content)


def _said(how):
    if isinstance(how, _Flip):
        return f"bit {how.bit} flipped at {how.share:.4f}"
    return how.__name__.strip("_")
