"""Validates path arguments."""

import os

from kprune.runtime.checks import require


def path(name, value):
    """Returns a path, which need not exist."""
    try:
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    except TypeError:
        text = ""
    words = isinstance(text, str) and text and "\0" not in text
    require(words, name, value, "a path, a string or a pathlib.Path")
    return value


def file(name, value):
    """Returns the path of a file, which need not exist."""
    path(name, value)
    expected = "the path of a file, where no directory is"
    return require(not os.path.isdir(value), name, value, expected)


def directory(name, value):
    """Returns the path of a directory, which need not exist."""
    path(name, value)
    expected = "the path of a directory, where no file is"
    return require(not os.path.isfile(value), name, value, expected)


def ending(value):
    """Returns the suffix of a path in lower case, such as `".html"`."""
    return os.path.splitext(os.fspath(value))[1].lower()
