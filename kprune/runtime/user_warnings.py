"""Raises warnings that point at the user's line."""

import functools
import pathlib
import sys
import warnings
from typing import Any

from kprune.runtime.thread_patches import ThreadPatches

_INSIDE = (str(pathlib.Path(__file__).parents[1]), functools.__file__)


def warn(message):
    """Warns (`UserWarning`) as if from the nearest frame outside kprune."""
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def silenced():
    """Returns a context that silences warnings of this thread's Python code.

    `warnings.catch_warnings` is not thread-safe: one of two threads may restore
    the other's filters for good.
    """
    return _silence.within(True)


def _warn(message, category=None, stacklevel=1, source=None, **options):
    if not _silence.value:
        stock = _stock["warn"]
        stock(message, category, stacklevel + 1, source, **options)


def _put_on():
    _stock["warn"], warnings.warn = warnings.warn, _warn


def _take_off():
    warnings.warn = _stock["warn"]


_stock: dict[str, Any] = {}
_silence = ThreadPatches(_put_on, _take_off)


# The advice against layers losing all entries, which ends a sentence.
AGAINST_COLLAPSE = (
    "an allocation that does not go by the scale of a layer's scores: "
    '"erk", "uniform" or "lamp".'
)


def describe_collapse(masks, asked):
    """Returns a message on weights that lose all entries, or `None`.

    Args:
        masks: Dict of boolean arrays by name.
        asked: String that says what was requested, such as `"sparsity 0.9"`.
    """
    empty = [name for name, mask in masks.items() if not mask.any()]
    if not empty:
        return None
    return (
        f"At {asked} these weights lose all their entries, and nothing can "
        f"flow through them: {', '.join(empty)}."
    )


def answer_collapse(masks, asked, on_collapse):
    """Warns or raises if masks remove all entries of a weight.

    Args:
        masks, asked: As for `describe_collapse`.
        on_collapse: `"warn"`, `"error"` or `"ignore"`.
    """
    empty = describe_collapse(masks, asked)
    if empty is None or on_collapse == "ignore":
        return
    message = (
        f"{empty} Lower `sparsity`, raise `rounds`, set `min_kept=1`, or use "
        f"{AGAINST_COLLAPSE}"
    )
    if on_collapse == "error":
        raise ValueError(message)
    warn(message)
