"""What an exception says of the call that raised it."""

import ast
import functools
import linecache
import pathlib
import traceback

import kprune

_ROOT = str(pathlib.Path(kprune.__file__).parent)
_HERE = str(pathlib.Path(__file__).parent)
_IN_WORDS = (ValueError, TypeError, OSError, NotImplementedError, RuntimeError)


class EndlessError(BaseException):
    """Raised by the alarm once a case has taken its time."""


def of(error):
    """Returns the kind of an exception, and a line that tells of it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    place = f"{_short(last.filename)}:{last.lineno}"
    ours = [f for f in frames if f.filename.startswith(_ROOT)]
    door = f"{_short(ours[-1].filename)}:{ours[-1].lineno}" if ours else "?"
    text = " ".join(str(error).split())
    what = f"{type(error).__name__} at {place} from {door}: {text[:300]}"
    if isinstance(error, EndlessError):
        return "endless", what
    if last.filename.startswith(_HERE):
        # Python's own words for a call, or an object of the caller's own.
        return ("own" if len(frames) > 2 else "words"), what
    if not last.filename.startswith(_ROOT):
        return "deep", what
    if isinstance(error, OSError) and error.filename:
        return "words", what  # The system's own, with the file's name.
    raised = _is_raise(last.filename, last.lineno)
    if not raised or not isinstance(error, _IN_WORDS):
        return "bare", what
    return ("words" if _says(str(error)) else "mute"), what


def _says(text):
    """Whether a message is a sentence that says what was expected."""
    return len(text) >= 30 and len(text.splitlines()) == 1


def _short(path):
    parts = pathlib.Path(path).parts
    return "/".join(parts[-3:])


def _is_raise(path, line):
    return any(first <= line <= last for first, last in _raises(path))


@functools.cache
def _raises(path):
    """Returns the first and last lines of the `raise` statements of a file."""
    tree = ast.parse("".join(linecache.getlines(path)))
    return [
        (node.lineno, node.end_lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    ]
