"""The directory of a run: its owner, progress and contents.

    config.json    the whole config, the seeds, versions and host
    metrics.jsonl  a line for each epoch, then one with the test result
    report.json    what is pruned, by weight
    masks.npz      the masks, for `kprune.masks.load`; not of a dense run
    model.keras    the trained model without kprune in it; and
    saved_model/   the same for serving; both unless `artifacts` is off
    tensorboard/   what TensorBoard shows; if `tensorboard` is on
    tracking.json  the ids of the run where it is tracked; if `track` says so
    checkpoints/   what an unfinished run goes on from; goes when it is done
    DONE           the result, and a digest of each file; written last
    .lock          who works in it, while somebody does

Each is put in place whole: a run that is killed leaves no half a file. One
process at a time works in it; what another left half-made is made again.
"""

import contextlib
import pathlib

from kprune.experiment import contents, identity
from kprune.runtime import directories, files, locks, paths
from kprune.runtime.doors import checked
from kprune.training import CheckpointFiles

CONFIG, DONE, METRICS = "config.json", "DONE", "metrics.jsonl"
REPORT, MASKS = "report.json", "masks.npz"
MODEL, SAVED_MODEL = "model.keras", "saved_model"
TENSORBOARD, CHECKPOINTS = "tensorboard", "checkpoints"
TRACKING = "tracking.json"

_WRITTEN = (METRICS, REPORT, MASKS, MODEL, SAVED_MODEL)
# `DONE` goes first when a directory is cleared, the config last.
_ALL = (DONE, *_WRITTEN, TENSORBOARD, TRACKING, CHECKPOINTS, CONFIG)
_FILES = "files"  # The key of the digests in `DONE`.


@checked(workdir=paths.directory)
def status(workdir, config, leaves=identity.leaves):
    """Returns how far the run of a complete config got in a directory: `"new"`,
    `"unfinished"` (it starts over), `"resumable"` (it goes on from a
    checkpoint) or `"finished"`.

    Raises:
        ValueError: If the directory cannot be written to, or holds another
            run or files that a run would overwrite.
    """
    workdir = pathlib.Path(workdir)
    files.check_writable(workdir)
    if not (workdir / CONFIG).exists():
        found = [name for name in _ALL if (workdir / name).exists()]
        if found:
            raise ValueError(
                f"{workdir} holds {', '.join(found)}, but no {CONFIG} that "
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
def differences(workdir, config, leaves=identity.leaves):
    """Returns in which keys a directory's config differs from another, complete
    one: (key, value there, value in config), such as `("training.epochs", 5,
    10)`.

    A value is `None` where there is no key. What counts is what `leaves` gives,
    a dict by dotted key: not where and how a run is executed.
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
    """Makes a directory, and lets no other process work there for the length of
    a block. It goes again if nothing is written.

    Raises:
        kprune.runtime.locks.Held: If another process works there.
        OSError: If it cannot be made, or if it was removed in the meantime.
    """
    made = files.make_directory(workdir)
    try:
        with locks.held(workdir) as lock:
            yield lock
    finally:
        for directory in made:
            files.remove_if_empty(directory)


def start(workdir, record):
    """Makes a directory ready: clears what an unfinished run left, but for its
    ids where it is tracked, and writes `record`, with the config at `"config"`,
    as `config.json`."""
    workdir = pathlib.Path(workdir)
    files.make_directory(workdir)
    files.sweep(workdir)
    CheckpointFiles(workdir / CHECKPOINTS).clear()
    for name in _ALL:
        if name == TRACKING:
            continue
        # The checkpoints may lie on another disk: the link to it stays.
        if name != CHECKPOINTS or not (workdir / name).is_symlink():
            files.remove(workdir / name)
    files.write_record(workdir / CONFIG, record)


def finish(workdir, result):
    """Marks a run as finished, with its result; it needs no checkpoints."""
    workdir = pathlib.Path(workdir)
    known = (CONFIG, *_WRITTEN)
    there = [name for name in known if (workdir / name).exists()]
    digests = {name: contents.digest(workdir / name) for name in there}
    files.write_record(workdir / DONE, {**result, _FILES: digests})
    tidy(workdir)


def tidy(workdir):
    """Removes what a finished run needs no more: its checkpoints, and what
    killed processes left half-written."""
    workdir = pathlib.Path(workdir)
    for path in _litter(workdir):
        if path.name == CHECKPOINTS:  # Also where a link points at them.
            CheckpointFiles(path).clear()
        files.remove(path)


def is_tidy(workdir):
    """Whether a finished run left nothing that it needs no more."""
    return not _litter(pathlib.Path(workdir)) and not locks.is_left(workdir)


def _litter(workdir):
    found = files.staged(workdir)
    checkpoints = workdir / CHECKPOINTS
    there = checkpoints.exists() or checkpoints.is_symlink()
    return [*found, checkpoints] if there else found


def is_done(workdir):
    """Whether a directory holds a finished run: `DONE` is there and whole."""
    return files.read_record(pathlib.Path(workdir) / DONE) is not None


@checked(workdir=paths.directory)
def result(workdir):
    """Returns the result of a finished run, as a dict.

    Raises:
        ValueError: If it is not finished.
    """
    found = files.read_record(pathlib.Path(workdir) / DONE)
    if found is None:
        raise ValueError(f"{workdir} does not hold a finished run.")
    return {key: value for key, value in found.items() if key != _FILES}


def damaged(workdir):
    """Returns what a finished run has written and is no more as it was: a dict
    from a file's name to "missing" or "damaged"."""
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
