"""Who runs a directory: claims that processes and hosts respect.

A claim is a file `claim-K` in the directory, made by O_EXCL, which succeeds for
one process alone on every file system that hosts share. It names the host and
the process, and is touched while that process lives. The file of the highest
K counts. One whose process is gone is not removed but outnumbered, by K + 1:
of those who try, one succeeds again.
"""

import contextlib
import json
import os
import pathlib
import platform
import re
import sys
import tempfile
import threading
import time

BEAT = 10.0  # Seconds between two touches.
STALE = 120.0  # Seconds without one, after which a host is taken for dead.


@contextlib.contextmanager
def claim(directory):
    """Claims a directory for the length of a block. Yields `True`, or `False`
    if another process has it."""
    directory = pathlib.Path(directory)
    path = _claimed(directory)
    if path is None:
        yield False
        return
    over = threading.Event()
    beat = threading.Thread(target=_touch, args=(path, over), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        over.set()
        beat.join()
        for number, file in _files(directory).items():
            if number <= _number(path):
                file.unlink(missing_ok=True)


def holder(directory):
    """Returns who has claimed a directory, such as `"process 7 on node3"`, or
    `None` if it is free."""
    files = _files(directory)
    return _living(files[max(files)]) if files else None


def _claimed(directory):
    """Returns the path of a claim that was made, or `None`."""
    if holder(directory) is not None:
        return None
    path = directory / f"claim-{max(_files(directory), default=0) + 1}"
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return None
    mine = {
        "process": os.getpid(),
        "host": platform.node(),
        "place": _place(),
        "since": time.ctime(),
    }
    with os.fdopen(file, "w") as stream:
        json.dump(mine, stream)
    # One who saw the files of long ago may have made a lower or higher one.
    others = [file for file in _files(directory).values() if file != path]
    if any(_living(file) for file in others):
        path.unlink(missing_ok=True)
        return None
    return path


def _files(directory):
    """Returns the paths of all claims by their number."""
    found = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in pathlib.Path(directory).iterdir():
            if re.fullmatch(r"claim-\d+", path.name):
                found[_number(path)] = path
    return found


def _number(path):
    return int(path.name.removeprefix("claim-"))


def _living(path):
    """Returns whose claim it is, or `None` if that process is gone."""
    try:
        touched = path.stat().st_mtime
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        process, place = int(found["process"]), found["place"]
        name = f"process {process} on {found['host']}"
    except (ValueError, TypeError, KeyError):
        # Made this moment, or half written.
        process, place, name = None, None, "another process"
    if place == _place() and not _runs(process):
        return None
    if _now(path.parent) - touched > STALE:
        return None
    return name


def _place():
    """Returns a text that processes share which can see each other.

    Two containers may have one name, and their processes the same numbers.
    """
    place = platform.node()
    with contextlib.suppress(OSError):
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        place += f" {boot.strip()} {os.readlink('/proc/self/ns/pid')}"
    return place


def _runs(process):
    """Whether there is a process of this number here."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It lives, and is another user's.
    return True


def _now(directory):
    """Returns the time by the clock that stamps the directory's files."""
    with tempfile.TemporaryFile(dir=directory) as file:
        return os.fstat(file.fileno()).st_mtime


def _touch(path, over):
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # A file server may be away.
            if max(_files(path.parent), default=0) != _number(path):
                # All the world took this process for dead, and another has
                # its place. Two must not write one directory.
                sys.stderr.write(f"{path} was taken over: this one ends.\n")
                sys.stderr.flush()
                os._exit(1)
            os.utime(path)
