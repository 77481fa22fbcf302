"""Locks a directory; the lock dies with its process.

The lock is `flock` on the file `.lock` in the directory. The kernel releases it
when the process ends, however it ends, and no clocks are compared. It works on
local file systems; among hosts on NFS (where Linux uses a byte-range lock), SMB
(Linux 5.5 and later) and Lustre mounted with `-o flock`.

On some mounts, locks hold on one host only, or there are none: Lustre with
`-o localflock` or `noflock`, NFS with `nolock` or `local_lock`. So the file
also names its holder, which touches the file while it lives. A process that
finds a file from another host, or no support for locks, watches the file for a
minute, and takes it over if nobody touches it. If two hosts do so at once, one
of them exits when it sees the other's name in the file.
"""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import platform
import sys
import threading
import time
from typing import Any

NAME = ".lock"
BEAT = 10.0  # Seconds between two touches.
WATCH = 60.0  # Seconds without a touch, after which a holder counts as dead.

# Tries and seconds between them: `holder` takes a lock for a moment too.
_TRIES, _PAUSE = 5, 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class Held(RuntimeError):
    """Another process holds the directory; `holder` names it."""

    def __init__(self, directory, holder):
        super().__init__(
            f"{directory} is in use by {holder}. Wait until that has ended, "
            "or name another directory."
        )
        self.holder = holder


class Lock:
    """A lock that this process holds, and touches until its release."""

    def __init__(self, path, file, record):
        self.path = path
        self.file = file
        self.record = record
        self.thread = threading.get_ident()
        self.holders = 0
        self._over = threading.Event()
        self._beat = threading.Thread(
            target=_touch, args=(self, self._over), daemon=True
        )
        self._beat.start()

    def check(self):
        """Raises `OSError` if the locked directory was removed or replaced."""
        if not _is(self.path, self.file):
            raise OSError(
                f"{self.path.parent} was removed or replaced while a process "
                "worked in it. What it wrote there is lost."
            )

    def release(self):
        self._over.set()
        self._beat.join()
        if _is(self.path, self.file):
            self.path.unlink(missing_ok=True)
        os.close(self.file)


_held: dict[Any, Any] = {}  # From the path of a lock file to its `Lock`.


@contextlib.contextmanager
def held(directory):
    """Locks a directory within the block, and yields the `Lock`.

    Reentrant within a thread.

    Raises:
        Held: If another process or thread holds it.
        OSError: If there is no such directory, or it is not writable.
    """
    path = pathlib.Path(directory).resolve() / NAME
    lock = _held.get(path)
    if lock is None or lock.thread != threading.get_ident():
        lock = _held[path] = _taken(path, directory)
    lock.holders += 1
    try:
        yield lock
    finally:
        lock.holders -= 1
        # A forked child does not hold it.
        if lock.holders == 0 and _held.get(path) is lock:
            del _held[path]
            lock.release()


def holder(directory):
    """Returns the holder of a directory, such as `"process 7 on node3"`, or
    `None` if there is none, as far as this host can see."""
    path = pathlib.Path(directory) / NAME
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _name(_record(path))
    except OSError:
        return None
    finally:
        os.close(file)
    return None


def is_left(directory):
    """Returns whether there is a lock file that nobody holds, as a killed
    process leaves it. The next holder removes it."""
    there = os.path.lexists(pathlib.Path(directory) / NAME)
    return there and holder(directory) is None


def _taken(path, directory):
    """Returns the `Lock` of a path, or raises `Held`."""
    try:
        return _wait_and_take(path, directory)
    except OSError as error:
        raise OSError(f"Cannot write {path}: {error.strerror}.") from error


def _wait_and_take(path, directory):
    tries = 0
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o644)
        try:
            free = _flock(file)
            if free is False:
                tries += 1
                if tries == _TRIES:
                    raise Held(directory, _name(_record(path)))
                time.sleep(_PAUSE)
            elif _is(path, file):  # Otherwise the former holder removed it.
                found = _record(path)
                if _elsewhere(found, free) and _is_touched(path, found):
                    raise Held(directory, _name(found))
                lock = Lock(path, file, _write(file))
                file = None
                return lock
        finally:
            if file is not None:
                os.close(file)


def _flock(file):
    """Returns whether this process got the lock, or `None` if the file system
    has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True


def _elsewhere(record, locked):
    """Returns whether a recorded holder may live on another host, or without
    `flock`."""
    return record is not None and (
        locked is None or record.get("boot") != _boot()
    )


def _is_touched(path, record):
    """Returns whether a holder touches the lock file, and thus lives."""
    sys.stderr.write(
        f"{path.parent} was left by {_name(record)}. Waiting for up to "
        f"{WATCH:.0f} s, to see whether that still runs.\n"
    )
    sys.stderr.flush()
    before, until = _touched(path), time.monotonic() + WATCH
    while time.monotonic() < until:
        if _touched(path) != before:
            return True
        time.sleep(min(0.5, WATCH / 10))
    return False


def _touched(path):
    # On NFS, opening the file fetches its current time from the server.
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return os.fstat(file).st_mtime_ns
        finally:
            os.close(file)
    return None


def _write(file):
    """Writes this process as the holder into a file; returns the record."""
    mine = {
        "process": os.getpid(),
        "host": platform.node(),
        "boot": _boot(),
        "since": time.ctime(),
    }
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(mine).encode(), 0)
    return mine


def _record(path):
    """Returns the record of a lock's holder, a dict, or `None` if the file has
    none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _name(record):
    if record is None or not {"process", "host"} <= set(record):
        return "another process"
    return f"process {record['process']} on {record['host']}"


def _boot():
    """Returns a string that is the same for all processes of one kernel."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
    return platform.node()


def _is(path, file):
    """Returns whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _touch(lock, over):
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # A file server may be down.
            found = _record(lock.path)
            if found is not None and found != lock.record:
                # Two processes must not write to one directory.
                sys.stderr.write(
                    f"{lock.path.parent} was taken over by {_name(found)}: "
                    "this process ends.\n"
                )
                sys.stderr.flush()
                os._exit(1)
            os.utime(lock.file)


def _forget():
    """Closes the locks in a forked child, where they would outlive their
    owner."""
    for lock in _held.values():
        with contextlib.suppress(OSError):
            os.close(lock.file)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
