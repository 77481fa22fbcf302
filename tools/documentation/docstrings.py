"""Fences the examples of docstrings for Markdown: an extension of griffe."""

import re

import griffe

_DOCTEST = re.compile(r"^( *)>>> .*\n(?:\1\S.*(?:\n|\Z))*", re.M)


class Fenced(griffe.Extension):
    """Fences the examples of each docstring."""

    def on_instance(self, *, obj, **kwargs):
        """Fences the docstring of an object; griffe calls it for each one."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text):
    """Returns a docstring with its doctests as fenced code."""
    text = re.sub(r"^Example:$", "**Example**", text, flags=re.M)

    def fence(match):
        return f"{match[1]}```pycon\n{match[0].rstrip()}\n{match[1]}```\n"

    return _DOCTEST.sub(fence, text)
