"""What a kill would leave: copies of a directory before each file operation.

Python tells an audit hook of each file that is opened to be written, and of
each directory that is made, renamed or removed, before it happens and whoever
asks for it. The directory as it is then is what a kill at that moment leaves,
so one run that nobody kills gives all states that a killed one can leave. What
is about to be renamed is also kept as it was half-written.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import sys
import threading

# By event, which of its arguments is a directory that the path is relative to.
_CHANGES = {
    "open": None,
    "os.link": 2,
    "os.mkdir": 2,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.symlink": None,
    "os.truncate": None,
}
_STAGE = re.compile(r"\.kprune-[0-9a-f]{32}")
_listening = []  # Functions of (event, path).
_hooked = []  # Whether there is the hook, which cannot be removed.


def _hook(event, arguments):
    if not _listening or event not in _CHANGES:
        return
    if not isinstance(arguments[0], int) and _writes(event, arguments):
        path = _path(event, arguments)
        for listen in list(_listening):
            listen(event, path)


def _path(event, arguments):
    path = pathlib.Path(os.fsdecode(arguments[0]))
    place = _CHANGES[event]
    if place is not None and arguments[place] >= 0:  # As in `shutil.rmtree`.
        path = os.readlink(f"/proc/self/fd/{arguments[place]}") / path
    return path.absolute()


def _writes(event, arguments):
    if event != "open":
        return True
    _, mode, flags = arguments
    if mode is not None:
        return bool(set(mode) & set("wax+"))
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def needs_room(event):
    """Whether an operation is one that a full disk refuses."""
    return event not in ("os.remove", "os.rmdir")


@contextlib.contextmanager
def listening(function):
    """Calls a function of (event, path) before each change of files within the
    block, on whichever thread."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    _listening.append(function)
    try:
        yield
    finally:
        _listening.remove(function)


class States:
    """Keeps the different states that a directory goes through.

    Attributes:
        points: Integer, how many file operations there were.
        paths: List of the copies, one of each different state.
        whole: The directory itself, whose copies these are.
    """

    def __init__(self, whole, copies):
        self.whole = pathlib.Path(whole).absolute()
        self.points = 0
        self.paths = []
        self.named = []  # By point: what the directory held, by name.
        self._copies = pathlib.Path(copies)
        self._copies.mkdir(parents=True)
        self._seen = set()
        self._lock = threading.RLock()
        self._busy = False

    def note(self, event, path):
        """Keeps the state before a change."""
        if self._busy or self.whole not in (path, *path.parents):
            return
        with self._lock:
            self._busy = True
            try:
                self.points += 1
                self.named.append(names(self.whole))
                self._keep()
                if event == "os.rename" and _STAGE.search(str(path)):
                    self._keep(half=path)
            finally:
                self._busy = False

    def _keep(self, half=None):
        if not self.whole.exists():
            return
        key = (_key(self.whole), half and half.name)
        if key in self._seen:
            return
        self._seen.add(key)
        copy = self._copies / f"{len(self.paths):04d}"
        shutil.copytree(self.whole, copy, symlinks=True)
        if half is not None:
            _cut(copy / half.relative_to(self.whole))
        self.paths.append(copy)


def names(directory):
    """Returns the names below a directory, those drawn at random as one."""
    directory = pathlib.Path(directory)
    found = {str(p.relative_to(directory)) for p in directory.rglob("*")}
    return sorted(_STAGE.sub(".kprune-", name) for name in found)


def _key(directory):
    """Returns a text that two states share if they hold the same."""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        name = _STAGE.sub(".kprune-", str(path.relative_to(directory)))
        total.update(f"{name}\n".encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


def _cut(path):
    """Leaves half of a file, or half of each file of a directory, as if it was
    being written."""
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)
