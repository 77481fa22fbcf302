"""Compares what a directory was made from with the current call."""

import contextlib
import json
import pathlib

from kprune.runtime import files, locks


def differences(there, here):
    """Returns where two dicts differ, sorted: (key, value there, value here),
    with `None` where there is no key."""
    keys = sorted({**there, **here})
    pairs = [(key, there.get(key), here.get(key)) for key in keys]
    return [(key, a, b) for key, a, b in pairs if a != b]


def refuse(directory, what, found):
    """Raises `ValueError` if a directory holds something else.

    Args:
        directory: Path.
        what: String, what it holds, such as `"run"`.
        found: List, from `differences`.
    """
    if found:
        lines = [f"  {k}: {a!r} there, {b!r} here\n" for k, a, b in found]
        raise ValueError(
            f"{directory} holds another {what}, which differs in:\n"
            f"{''.join(lines)}Name another directory, or remove that one."
        )


def keep_settings(directory, name, settings, what, comparable=dict):
    """Writes what a directory is made from, or compares it with what it says.

    Args:
        directory: Path of a directory that is there.
        name: String, the file's.
        settings: Dict, for JSON.
        what: String, what it holds, such as `"search"`.
        comparable: Function of settings to those that are compared.

    Raises:
        ValueError: If it is made from others, or does not say from what.
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
    found = differences(comparable(found), comparable(settings))
    refuse(directory, what, found)


@contextlib.contextmanager
def held(directory):
    """Lets no other process work in a directory for the length of a block, and
    removes what a killed one has left half-written.

    Raises:
        kprune.runtime.locks.Held: If another process works there.
    """
    with locks.held(directory):
        files.sweep(directory)
        yield
