"""Warnings that point at the user's line, not at one inside kprune."""

import functools
import pathlib
import sys
import warnings

_INSIDE = (str(pathlib.Path(__file__).parent), functools.__file__)


def warn(message):
    """Warns (`UserWarning`) as if from the nearest frame outside kprune."""
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
