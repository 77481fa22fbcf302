"""Formats any value as one short line for an error."""

_LONGEST = 200


def shown(value):
    """Returns what stands for a value in a sentence: its `repr` on one line,
    cut where it is long, or its class where that has none."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        return f"an object of class {type(value).__name__}"
    return cut(text)


def one_line(error):
    """Returns the message of an error on one line."""
    return cut(" ".join(str(error).split()))


def cut(text):
    """Returns a text, of a long one the head."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
