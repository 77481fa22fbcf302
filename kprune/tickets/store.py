"""Stores a search in a directory and resumes it.

    search.json    the settings of the search
    points/        the weights of the steps to rewind to, with their digests
    level-03/      one directory for each level:
      masks.npz    its masks, for `kprune.masks.load`
      weights/     the trained weights
      arrays.npz   further arrays, if any, such as the examples it was trained
                   on
      checkpoints/ the checkpoints of an unfinished level, removed at its end
      DONE         the history and the digests; written last

Files are written atomically, and the directory is locked by one process at a
time.
"""

import dataclasses
import pathlib
import re
from typing import Any

from kprune.masking import masks as mask_files
from kprune.runtime import array_files, digests, directories, files
from kprune.tickets.rewinding import Point
from kprune.training import CheckpointFiles

_SEARCH, _DONE, _MASKS = "search.json", "DONE", "masks.npz"
_NEWER = ("inputs",)  # Settings that kprune 0.1 did not write.
_ARRAYS = "arrays.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class Level:
    """The results of a finished level: the `Point` that it ended with, its
    masks, its history, and further arrays."""

    trained: Point
    masks: dict
    history: dict
    arrays: dict[str, Any] = dataclasses.field(default_factory=dict)


class Store:
    """Finished levels and points to rewind to, in a directory.

    Args:
        directory: Path. It is created if need be.
        settings: Dict for JSON that determines the search.

    Raises:
        ValueError: If the directory holds a search with other settings.
    """

    def __init__(self, directory, settings):
        self.directory = pathlib.Path(directory)
        files.make_directory(self.directory)
        directories.keep_settings(
            self.directory, _SEARCH, settings, "search", _comparable, _NEWER
        )

    def held(self):
        """Returns a context that locks the directory against other processes;
        raises `kprune.runtime.locks.Held` if it is locked."""
        return directories.held(self.directory)

    def point(self, step):
        """Returns the stored point of a step, or `None`."""
        return _point(self._files(step))

    def save_point(self, point):
        """Writes a `Point`; raises `ValueError` if a different one exists."""
        stored = self.point(point.step)
        if stored is None:
            _save_point(self._files(point.step), point)
        elif stored.digest != point.digest:
            raise ValueError(
                f"{self._files(point.step).directory} holds other weights "
                f"than those of step {point.step}. Expected the SHA-256 "
                f"{point.digest}. Received: {stored.digest}"
            )

    def checkpoints(self, level):
        """Returns the directory of a level's checkpoints."""
        return self._level(level) / "checkpoints"

    def holds(self, level):
        """Returns whether a level is finished."""
        return files.read_record(self._level(level) / _DONE) is not None

    def load(self, level, points):
        """Returns a finished `Level`, verified by its digests.

        Args:
            level: Integer.
            points: Dict by role of the points that the level started from.

        Raises:
            ValueError: If the level's files were changed, or it started from
                other points.
        """
        directory = self._level(level)
        self._tidy(level)
        done = files.read_record(directory / _DONE)
        trained = _point(CheckpointFiles(directory / "weights", 1))
        masks = _present(directory / _MASKS, mask_files.load)
        arrays = _present(directory / _ARRAYS, array_files.read)
        found = _digests({**points, "weights": trained}, masks, arrays)
        for what, expected in done["digests"].items():
            if found[what] != expected:
                raise ValueError(
                    f"{directory} is not as it was finished: the SHA-256 of "
                    f"its {what} was {expected}. Received: {found[what]}. "
                    "Remove it to train the level again."
                )
        return Level(trained, masks, done["history"], arrays or {})

    def save(self, level, points, found, sparsity):
        """Writes a finished `Level`, and its sparsity for readers of `DONE`."""
        directory = self._level(level)
        files.make_directory(directory)
        _save_point(CheckpointFiles(directory / "weights", 1), found.trained)
        mask_files.save(found.masks, directory / _MASKS)
        if found.arrays:
            files.write_arrays(directory / _ARRAYS, found.arrays)
        points = {**points, "weights": found.trained}
        result = {
            "level": level,
            "sparsity": sparsity,
            "history": found.history,
            "digests": _digests(points, found.masks, found.arrays),
        }
        files.write_record(directory / _DONE, result)
        self._tidy(level)

    def _tidy(self, level):
        """Removes the checkpoints of a finished level, and half-written files
        of a killed process."""
        files.remove(self.checkpoints(level))
        files.sweep(self._level(level))

    def _files(self, step):
        return CheckpointFiles(self.directory / "points" / str(step), 1)

    def _level(self, level):
        return self.directory / f"level-{level:02d}"


def _digests(points, masks, arrays):
    """Returns the digests of a level's parts, `None` for missing parts."""
    found = {name: p and p.digest for name, p in points.items()}
    found["masks"] = masks and digests.of_arrays(masks)
    found["arrays"] = digests.of_arrays(arrays) if arrays else None
    return found


def _point(files):
    latest = files.latest()
    if latest is None:
        return None
    step, state = latest
    found = Point(step, state["values"], state["digest"])
    try:
        found.check()
    except ValueError as error:
        raise ValueError(f"{files.path(step)}: {error}") from error
    return found


def _save_point(files, point):
    state = {"values": point.values, "digest": point.digest}
    files.save(point.step, state)


def _present(path, read):
    """Returns `read(path)`, or `None` if the file does not exist."""
    return read(path) if path.exists() else None


def _comparable(value):
    """Normalizes settings, so that those of different versions of kprune
    compare equal.

    The modules of kprune's functions and classes are dropped, and a single
    name in `exclude` becomes a list.
    """
    if isinstance(value, dict):
        found = {key: _comparable(below) for key, below in value.items()}
        if isinstance(value.get("exclude"), str):
            found["exclude"] = [value["exclude"]]
        if str(value.get("module")).partition(".")[0] == "kprune":
            found["module"] = "kprune"
        return found
    if isinstance(value, list | tuple):
        return [_comparable(below) for below in value]
    if isinstance(value, str):
        return re.sub(r"\bkprune(?:\.\w+)*\.(\w+)", r"\1", value)
    return value
