"""Locks a directory; the lock dies with its process.

The lock is `flock` on the file `.lock` in the directory. The kernel lets go of
it when the process ends, however it ends, and no clock is compared. It holds on
local file systems; among hosts on NFS (of which Linux makes a byte-range lock),
SMB (Linux 5.5 and later) and Lustre mounted with `-o flock`.

Some mounts keep locks to one host, or have none: Lustre with `-o localflock`
or `noflock`, NFS with `nolock` or `local_lock`. So the file also names who
holds it, who touches it while it lives. One that was left by another host, or
where there are no locks, is watched for a minute, and taken over if nobody
touches it. Of two hosts that do so at once, one ends when it sees the other's
name in the file.
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

NAME = ".lock"
BEAT = 10.0  # Seconds between two touches.
WATCH = 60.0  # Seconds without one, after which another host is dead.

_TRIES, _PAUSE = 5, 0.05  # Of a lock that another may hold to look at it.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class Held(RuntimeError):
    """Another process works in the directory; `holder` says who."""

    def __init__(self, directory, holder):
        super().__init__(
            f"{directory} is in use by {holder}. Wait until that has ended, "
            "or name another directory."
        )
        self.holder = holder


class Lock:
    """A lock that this process holds, and touches until it lets go."""

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
        """Raises `OSError` unless the directory is still the one that was
        locked."""
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


_held = {}  # The locks of this process, by the path that is locked.


@contextlib.contextmanager
def held(directory):
    """Holds a directory for the length of a block, and yields the `Lock`.

    Within it the same thread may hold it again.

    Raises:
        Held: If another process holds it, or another thread.
        OSError: If there is no such directory, or nothing can be written.
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
        # In a forked child it is not held.
        if lock.holders == 0 and _held.get(path) is lock:
            del _held[path]
            lock.release()


def holder(directory):
    """Returns who holds a directory, such as `"process 7 on node3"`, or `None`
    if nobody does, as far as this host can see."""
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
    """Whether there is a lock that nobody holds, as a killed process leaves it:
    who holds it next removes it."""
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
            elif _is(path, file):  # Else who had it removed it since.
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
    """Returns whether the lock is taken, or `None` where there are none."""
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
    """Whether a lock that was left might be held where it is not felt here."""
    return record is not None and (
        locked is None or record.get("boot") != _boot()
    )


def _is_touched(path, record):
    """Whether somebody touches a lock, who then lives."""
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
    # Opened anew: NFS asks the server for the time then.
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return os.fstat(file).st_mtime_ns
        finally:
            os.close(file)
    return None


def _write(file):
    """Writes who holds the lock, and returns that."""
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
    """Returns who holds a lock, a dict, or `None` if the file does not say."""
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
    """Returns a text that all processes under one kernel share."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
    return platform.node()


def _is(path, file):
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _touch(lock, over):
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # A file server may be away.
            found = _record(lock.path)
            if found is not None and found != lock.record:
                # Two must not write one directory.
                sys.stderr.write(
                    f"{lock.path.parent} was taken over by {_name(found)}: "
                    "this process ends.\n"
                )
                sys.stderr.flush()
                os._exit(1)
            os.utime(lock.file)


def _forget():
    """Lets a forked child hold nothing: else a lock would outlive its owner."""
    for lock in _held.values():
        with contextlib.suppress(OSError):
            os.close(lock.file)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
