"""Formats any value as one short line for an error."""

_LONGEST = 200


def shown(value):
    """Returns a value's `repr` on one line, cut if it is long; names the class
    if `repr` raises."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        return f"an object of class {type(value).__name__}"
    return cut(text)


def one_line(error):
    """Returns an error's message on one line, cut if it is long."""
    return cut(" ".join(str(error).split()))


def cut(text):
    """Returns a text, cut to 200 characters and "..." if it is longer."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
