"""Looks names up, and suggests the right ones for a wrong one."""

import difflib

from kprune.runtime.words import shown


def choose(name, choices, what):
    """Returns `choices[name]`; the `ValueError` suggests similar names.

    `what` says what the name denotes, for the error.
    """
    if isinstance(name, str) and name in choices:
        return choices[name]
    raise ValueError(unknown(name, choices, what))


def unknown(name, names, what):
    """Returns the error message for a name that is not one of `names`."""
    names = sorted(map(str, names))
    near = []
    if isinstance(name, str):
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return (
        f"Unknown {what}: {shown(name)}.{hint} "
        f"Expected one of: {', '.join(names)}."
    )


def check_options(options, known, of):
    """Raises `ValueError` unless all `options` are among those `known`.

    `of` says what they are options of, for the error.
    """
    for name in options:
        if name in known:
            continue
        if not known:
            raise ValueError(f"There are no options of {of}. Received: {name}")
        raise ValueError(unknown(name, known, f"option of {of}"))
