"""The text: what Python's own `help` says of the language.

`pydoc_data.topics` is part of Python (PSF license): chapters of the language's
reference in English, with examples of code.
"""

import dataclasses
import hashlib
from pydoc_data import topics

import numpy as np

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_HELD_OUT = 0.1  # The share at the end that is not trained on.


@dataclasses.dataclass(frozen=True, eq=False)
class Text:
    """Characters as numbers.

    Args:
        train, held_out: Arrays of integers, of parts that follow each other.
        characters: String, all that the first part has, and one for others.
        digest: String that tells this text from that of another Python.
    """

    train: np.ndarray
    held_out: np.ndarray
    characters: str
    digest: str


def read(whole=None):
    """Returns the `Text` of a string, by default of Python's topics."""
    if whole is None:
        chapters = (topics.topics[name] for name in sorted(topics.topics))
        whole = "\n\n".join(chapters)
    split = len(whole) - round(_HELD_OUT * len(whole))
    train, held_out = whole[:split], whole[split:]
    characters = _UNKNOWN + "".join(sorted({*train} - {_UNKNOWN}))
    numbers = {c: number for number, c in enumerate(characters)}
    parts = (
        np.array([numbers.get(c, 0) for c in part], "int32")
        for part in (train, held_out)
    )
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return Text(*parts, characters, digest)


def windows(part, length, most=None):
    """Returns (x, y), characters and the next ones, from end to end of a part,
    or of `most` places that are spread over it evenly."""
    starts = np.arange(0, len(part) - length, length)
    if most is not None and most < len(starts):
        starts = starts[np.arange(most) * len(starts) // most]
    return _at(part, starts, length)


def drawn(part, length, count, rng):
    """Returns (x, y) as `windows` does, from `count` places at random."""
    return _at(part, rng.integers(0, len(part) - length, count), length)


def _at(part, starts, length):
    found = part[starts[:, None] + np.arange(length + 1)]
    return found[:, :-1], found[:, 1:]
