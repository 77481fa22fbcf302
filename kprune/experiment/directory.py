"""The directory of a run: its owner, progress and contents.

    config.json    the whole config, the seeds, versions and host
    metrics.jsonl  a line for each epoch, then one with the test result
    report.json    the sparsity of each weight
    masks.npz      the masks, for `kprune.masks.load`; none of a dense run
    model.keras    the trained model, stripped; and
    saved_model/   the same for serving; both unless `artifacts` is off
    tensorboard/   event files, if `tensorboard` is on
    tracking.json  the ids of the run at the services of `track`, if any
    checkpoints/   what an unfinished run resumes from; removed at the end
    DONE           the result, and a digest of each file; written last
    .lock          the process that works in it, while one does

Files are replaced atomically, so that a killed run leaves no partial file.
One process at a time works in a directory and redoes what another left
unfinished.
"""

import contextlib
import pathlib
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from kprune.experiment import contents, identity
from kprune.runtime import directories, files, locks, paths, types
from kprune.runtime.doors import checked
from kprune.training import CheckpointFiles

CONFIG, DONE, METRICS = "config.json", "DONE", "metrics.jsonl"
REPORT, MASKS = "report.json", "masks.npz"
MODEL, SAVED_MODEL = "model.keras", "saved_model"
TENSORBOARD, CHECKPOINTS = "tensorboard", "checkpoints"
TRACKING = "tracking.json"

_WRITTEN = (METRICS, REPORT, MASKS, MODEL, SAVED_MODEL)
# The order of removal: a directory without `DONE` counts as unfinished, and
# the config identifies the run until the end.
_ALL = (DONE, *_WRITTEN, TENSORBOARD, TRACKING, CHECKPOINTS, CONFIG)
_FILES = "files"  # The key of the digests in `DONE`.


@checked(workdir=paths.directory)
def status(
    workdir: types.Path,
    config: ConfigDict | dict[str, Any],
    leaves: Callable[..., dict[str, Any]] = identity.leaves,
) -> str:
    """Returns how far the run of a complete config got in a directory.

    Args:
        workdir: Path of the directory.
        config: `ConfigDict` or dict, complete.
        leaves: Function from a config to the fields that define its run, a
            dict by dotted key.

    Returns:
        `"new"`, `"unfinished"` (it starts over), `"resumable"` (it resumes
        from a checkpoint) or `"finished"`.

    Raises:
        ValueError: If the directory cannot be written to, or holds another
            run or files that a run would overwrite.
    """
    workdir = pathlib.Path(workdir)
    files.check_writable(workdir)
    if not (workdir / CONFIG).exists():
        strange = [name for name in _ALL if (workdir / name).exists()]
        if strange:
            raise ValueError(
                f"{workdir} holds {', '.join(strange)}, but no {CONFIG} that "
                "says of which run. Name another directory."
            )
        return "new"
    found = differences(workdir, config, leaves)
    directories.refuse(workdir, "run", found)
    if is_done(workdir):
        return "finished"
    saved = CheckpointFiles(workdir / CHECKPOINTS).steps()
    return "resumable" if saved else "unfinished"


@checked(workdir=paths.directory)
def differences(
    workdir: types.Path,
    config: ConfigDict | dict[str, Any],
    leaves: Callable[..., dict[str, Any]] = identity.leaves,
) -> list[tuple[str, Any, Any]]:
    """Returns the keys in which a directory's config differs from `config`.

    Args:
        workdir: Path of the directory.
        config: `ConfigDict` or dict, complete.
        leaves: Function from a config to the fields to compare, a dict by
            dotted key. By default, where and how a run is executed does not
            count.

    Returns:
        List of (key, value there, value in `config`), such as
        `("training.epochs", 5, 10)`. The value of a missing key is `None`.

    Raises:
        ValueError: If the directory's config cannot be read.
    """
    path = pathlib.Path(workdir) / CONFIG
    try:
        there = leaves((files.read_record(path) or {})["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged, was not written by kprune, or by another "
            f"version of it: {error}"
        ) from error
    return directories.differences(there, leaves(config))


@contextlib.contextmanager
def held(workdir):
    """Makes a directory and locks it for the length of a block.

    Afterwards, directories that it made are removed if they are empty.

    Raises:
        kprune.runtime.locks.Held: If another process works there.
        OSError: If it cannot be made, or is removed meanwhile.
    """
    made = files.make_directory(workdir)
    try:
        with locks.held(workdir) as lock:
            yield lock
    finally:
        for directory in made:
            files.remove_if_empty(directory)


def start(workdir, record):
    """Clears what an unfinished run left and writes `config.json`.

    The ids of a tracked run stay.

    Args:
        workdir: Path of the directory.
        record: Dict to write, with the config at `"config"`.
    """
    workdir = pathlib.Path(workdir)
    files.make_directory(workdir)
    files.sweep(workdir)
    CheckpointFiles(workdir / CHECKPOINTS).clear()
    for name in _ALL:
        if name == TRACKING:
            continue
        # Checkpoints may lie on another disk: keep the symlink to it.
        if name != CHECKPOINTS or not (workdir / name).is_symlink():
            files.remove(workdir / name)
    files.write_record(workdir / CONFIG, record)


def finish(workdir, result):
    """Marks a run as finished with its result, and removes its checkpoints."""
    workdir = pathlib.Path(workdir)
    known = (CONFIG, *_WRITTEN)
    there = [name for name in known if (workdir / name).exists()]
    digests = {name: contents.digest(workdir / name) for name in there}
    files.write_record(workdir / DONE, {**result, _FILES: digests})
    tidy(workdir)


def tidy(workdir):
    """Removes a finished run's checkpoints and partial files."""
    workdir = pathlib.Path(workdir)
    for path in _litter(workdir):
        if path.name == CHECKPOINTS:  # Also in the target of a symlink.
            CheckpointFiles(path).clear()
        files.remove(path)


def is_tidy(workdir):
    """Returns whether a finished run left nothing that must be removed."""
    return not _litter(pathlib.Path(workdir)) and not locks.is_left(workdir)


def _litter(workdir):
    found = files.staged(workdir)
    checkpoints = workdir / CHECKPOINTS
    there = checkpoints.exists() or checkpoints.is_symlink()
    return [*found, checkpoints] if there else found


def is_done(workdir):
    """Returns whether a directory holds a finished run, with a whole `DONE`."""
    return files.read_record(pathlib.Path(workdir) / DONE) is not None


@checked(workdir=paths.directory)
def result(workdir: types.Path) -> dict[str, float]:
    """Returns the result of a finished run, as a dict.

    Raises:
        ValueError: If it is not finished.
    """
    found = files.read_record(pathlib.Path(workdir) / DONE)
    if found is None:
        raise ValueError(f"{workdir} does not hold a finished run.")
    return {key: value for key, value in found.items() if key != _FILES}


def damaged(workdir):
    """Returns which files of a finished run are lost.

    Returns:
        Dict from a file's name to "missing" or "damaged".
    """
    workdir = pathlib.Path(workdir)
    digests = (files.read_record(workdir / DONE) or {}).get(_FILES)
    found = {}
    for name, expected in (digests or {}).items():
        path = workdir / name
        if not path.exists():
            found[name] = "missing"
        elif contents.digest(path) != expected:
            found[name] = "damaged"
    return found
