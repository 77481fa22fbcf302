"""Compares what a directory was made from with the current call."""

import contextlib
import json
import pathlib

from kprune.runtime import files, locks


def differences(there, here):
    """Returns a list of (key, value there, value here) where two dicts differ,
    sorted by key, with `None` for a missing key."""
    keys = sorted({**there, **here})
    pairs = [(key, there.get(key), here.get(key)) for key in keys]
    return [(key, a, b) for key, a, b in pairs if a != b]


def refuse(directory, what, found):
    """Raises `ValueError` if there are differences.

    Args:
        directory: Path of the directory.
        what: String that says what it holds, such as `"run"`.
        found: List from `differences`.
    """
    if found:
        lines = [f"  {k}: {a!r} there, {b!r} here\n" for k, a, b in found]
        raise ValueError(
            f"{directory} holds another {what}, which differs in:\n"
            f"{''.join(lines)}Name another directory, or remove that one."
        )


def keep_settings(directory, name, settings, what, comparable=dict, newer=()):
    """Writes settings to a file in a directory, or compares them with it if it
    exists.

    Args:
        directory: Path of an existing directory.
        name: String, the name of the file.
        settings: Dict that JSON can hold.
        what: String that says what the directory holds, such as `"search"`.
        comparable: Function from settings to those to compare. Defaults to
            all.
        newer: Keys that earlier versions did not write: they are compared
            only if the file has them.

    Raises:
        ValueError: If the settings in the file differ, or it is damaged.
    """
    path = pathlib.Path(directory) / name
    settings = json.loads(json.dumps(settings))
    if not path.exists():
        files.write_record(path, settings)
        return
    found = files.read_record(path)
    if found is None:
        raise ValueError(
            f"{path} is damaged, so that it does not say which {what} "
            f"{directory} holds. Name another directory."
        )
    unknown = set(newer) - set(found)
    settings = {k: v for k, v in settings.items() if k not in unknown}
    found = differences(comparable(found), comparable(settings))
    refuse(directory, what, found)


@contextlib.contextmanager
def held(directory):
    """Locks a directory within the block, and removes half-written files of
    killed processes.

    Raises:
        kprune.runtime.locks.Held: If another process holds it.
    """
    with locks.held(directory):
        files.sweep(directory)
        yield
