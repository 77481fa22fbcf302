"""Warnings that point at the user's line, not at one inside kprune."""

import functools
import pathlib
import sys
import warnings

_INSIDE = (str(pathlib.Path(__file__).parents[1]), functools.__file__)


def warn(message):
    """Warns (`UserWarning`) as if from the nearest frame outside kprune."""
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


# What keeps layers from losing all entries, for the end of a sentence.
AGAINST_COLLAPSE = (
    "an allocation that does not go by the scale of a layer's scores: "
    '"erk", "uniform" or "lamp".'
)


def describe_collapse(masks, asked):
    """Returns the text on weights that lose all entries, or `None`.

    Args:
        masks: Dict of boolean arrays by name.
        asked: String, such as `"sparsity 0.9"`.
    """
    empty = [name for name, mask in masks.items() if not mask.any()]
    if not empty:
        return None
    return (
        f"At {asked} these weights lose all their entries, and nothing can "
        f"flow through them: {', '.join(empty)}."
    )
