"""The directory of a run: whose it is, how far it got, what is in it.

    config.json    the whole config, the seeds, versions and host
    metrics.jsonl  a line for each epoch, then one with the test result
    report.json    what is pruned, by weight
    masks.npz      the masks, for `kprune.masks.load`; not of a dense run
    model.keras    the trained model without kprune in it; and
    saved_model/   the same for serving; both unless `artifacts` is off
    tensorboard/   what TensorBoard shows; if `tensorboard` is on
    checkpoints/   what an unfinished run goes on from; goes when it is done
    DONE           the result; written last

Each is put in place whole: a run that is killed leaves no half a file.
"""

import json
import pathlib
import shutil
import tempfile

from kprune.experiment import identity
from kprune.runtime import directories, files, paths
from kprune.runtime.doors import checked
from kprune.training import CheckpointFiles

CONFIG, DONE, METRICS = "config.json", "DONE", "metrics.jsonl"
REPORT, MASKS = "report.json", "masks.npz"
MODEL, SAVED_MODEL = "model.keras", "saved_model"
TENSORBOARD, CHECKPOINTS = "tensorboard", "checkpoints"

_BETWEEN = (METRICS, REPORT, MASKS, MODEL, SAVED_MODEL, TENSORBOARD)
# `DONE` goes first when a directory is cleared, the config last.
_ALL = (DONE, *_BETWEEN, CHECKPOINTS, CONFIG)


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
    _check_writable(workdir)
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
    if (workdir / DONE).exists():
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
        there = leaves(json.loads(path.read_text())["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} was not written by kprune, or by another version of it: "
            f"{error}"
        ) from error
    return directories.differences(there, leaves(config))


def start(workdir, record):
    """Makes a directory ready: clears what an unfinished run left, and writes
    `record`, with the config at `"config"`, as `config.json`."""
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    for name in _ALL:
        path = workdir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    files.write_json(workdir / CONFIG, record)


def finish(workdir, result):
    """Marks a run as finished, with its result; it needs no checkpoints."""
    workdir = pathlib.Path(workdir)
    files.write_json(workdir / DONE, result)
    shutil.rmtree(workdir / CHECKPOINTS, ignore_errors=True)


@checked(workdir=paths.directory)
def result(workdir):
    """Returns the result of a finished run, as a dict."""
    return json.loads((pathlib.Path(workdir) / DONE).read_text())


def _check_writable(workdir):
    nearest = workdir
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ValueError(
            f"Cannot write to {workdir}: {nearest} is not a directory."
        )
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise ValueError(f"Cannot write to {workdir}: {error}") from error
