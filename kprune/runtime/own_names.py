"""Resolves a user's names: `module:function`, or a file.

A name with a colon consists of a Python module and one of its attributes:
`mine:network` or `lab.models:small`. Modules in the current directory are
found too.
"""

import ast
import hashlib
import importlib
import inspect
import os
import pathlib
import re
import sys
import time
import tokenize
from importlib.machinery import PathFinder

from kprune.runtime import lookup
from kprune.runtime.words import one_line, shown

_REST_NS = 2_000_000_000  # Two seconds: the coarsest clock, that of FAT.
# From a path to its file's state and the digest of its bytes.
_digests: dict = {}
_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_name(value):
    """Returns whether a value is a string such as `"module:function"`."""
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def get(name, what):
    """Returns the function that a name such as `"module:function"` refers to.

    Args:
        name: String.
        what: String that says what the function makes, for errors, such as
            `"model"`.

    Raises:
        ValueError: If there is no such module, it has no callable of that
            name, or its import fails.
    """
    module, _, attribute = name.partition(":")
    found = _module(module, name, what)
    public = [key for key in vars(found) if not key.startswith("_")]
    if attribute not in vars(found):
        raise ValueError(
            lookup.unknown(attribute, public, f"{what} in module {module!r}")
        )
    value = getattr(found, attribute)
    if not callable(value):
        raise ValueError(
            f"Expected {name!r}, a {what}, to be a function. "
            f"Received: {shown(value)}"
        )
    return value


def called(name, what, offered, options):
    """Returns the result of the function that a name refers to.

    Args:
        name, what: As for `get`.
        offered: Dict of arguments, of which the function gets those that it
            takes.
        options: Dict of arguments that it must take.

    Raises:
        ValueError: If it does not take the options.
    """
    function = get(name, what)
    parameters = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_all:
        lookup.check_options(options, list(parameters), f"{what} {name!r}")
        offered = {k: v for k, v in offered.items() if k in parameters}
    return function(**{**offered, **options})


def digest(name):
    """Returns a digest of the object behind a name: 16 hexadecimal digits.

    Imports and runs nothing. Hashes a module's code without comments, layout
    and the modules that it imports; a file's bytes, once per state of the
    file; or a folder's file names and sizes.
    """
    if is_name(name):
        text = _code(name.partition(":")[0], name)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    path = pathlib.Path(name)
    total = hashlib.sha256()
    if path.is_file():
        return _of_bytes(path.resolve())
    for file in sorted(path.rglob("*")):
        if file.is_file():
            place = file.relative_to(path).as_posix()
            total.update(f"{place} {file.stat().st_size}\n".encode())
    return total.hexdigest()[:16]


def _of_bytes(path):
    """Returns the digest of a file, which one run asks for several times."""
    now, state = time.time_ns(), _state(path)
    if _digests.get(path, (None, None))[0] == state:
        return _digests[path][1]
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    # A file system's clock ticks coarsely: a file that is written twice within
    # a tick looks the same, so that only one at rest is remembered.
    at_rest = now - max(state[-2:]) > _REST_NS
    if at_rest and _state(path) == state:
        _digests[path] = state, found
    return found


def _state(path):
    """Returns what changes with a file's bytes. Programs can set the time of
    modification (`st_mtime_ns`) back, but not that of `st_ctime_ns`."""
    of = path.stat()
    place = (of.st_dev, of.st_ino, of.st_size)
    return (*place, of.st_mtime_ns, of.st_ctime_ns)


def _code(module, name):
    """Returns a dump of a module's syntax tree, found as by `import`."""
    _look_here()
    found, places, path = None, None, []
    for part in module.split("."):
        path.append(part)
        found = PathFinder.find_spec(".".join(path), places)
        if found is None:
            raise _not_there(module, name, "function")
        places = found.submodule_search_locations
    if not str(found.origin).endswith(".py"):
        raise ValueError(
            f"Expected {name!r} in a module of Python code. Received: "
            f"{found.origin}"
        )
    with tokenize.open(found.origin) as file:
        text = file.read()
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError as error:
        raise ValueError(_failed(module, name, "function", error)) from error


def _look_here():
    """Lets `import` find modules in the current directory."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()


def _module(module, name, what):
    _look_here()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise _not_there(module, name, what) from error
        raise ValueError(_failed(module, name, what, error)) from error
    except Exception as error:
        raise ValueError(_failed(module, name, what, error)) from error


def _not_there(module, name, what):
    return ValueError(
        f"There is no module {module!r} for the {what} {name!r}. Expected "
        f"{module.replace('.', '/')}.py in the current directory, or an "
        "installed package."
    )


def _failed(module, name, what, error):
    return (
        f"Module {module!r} of the {what} {name!r} failed as it was imported: "
        f"{type(error).__name__}: {one_line(error)}"
    )
