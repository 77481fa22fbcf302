"""Training curves and candidates that a page shows beside a report."""

import math

from kprune.analysis.report.charts import short
from kprune.runtime import checks

_BESIDE = {"epoch", "seconds"}  # Fields of a line that are not metrics.
_COSTS = {
    "multiply_adds": "multiply-adds",
    "parameters": "parameters",
    "latency": "latency",
    "sparsity": "sparsity",
}
_HISTORY = (
    "a `History` of `fit`, a dict of lists of numbers by metric, or a list of "
    "dicts of an epoch each"
)
_CANDIDATES = (
    "a list of dicts of numbers: sparsity, metric, interval (low, high), "
    "parameters, multiply_adds, latency, seconds, chosen"
)


def history(name, value):
    """Returns figures by epoch as a dict of lists, with NaN for missing ones.

    Args:
        name: Name of the argument, for the error.
        value: A `keras.callbacks.History`, a dict of lists, or a list of dicts
            such as the lines of `metrics.jsonl`. If any of these dicts has an
            `epoch`, those without are left out.

    Raises:
        ValueError: If `value` is none of these.
    """
    found = getattr(value, "history", value)
    if isinstance(found, list | tuple):
        found = _by_name(found)
    lists = isinstance(found, dict) and all(
        isinstance(metric, str)
        and isinstance(values, list | tuple)
        and all(checks.is_number(v) or _is_nan(v) for v in values)
        for metric, values in found.items()
    )
    checks.require(lists, name, value, _HISTORY)
    return {n: list(map(float, v)) for n, v in found.items() if v}


def by_metric(found):
    """Groups the figures of a history by metric, training with validation
    (`val_`)."""
    groups = {}
    for name, values in found.items():
        if name not in _BESIDE:
            metric = name.removeprefix("val_")
            groups.setdefault(metric, {})[name] = values
    return groups


def candidates(name, value):
    """Returns candidates as a list of dicts; raises `ValueError` if invalid."""
    listed = isinstance(value, list | tuple) and all(
        isinstance(one, dict) and all(map(_fits, one, one.values()))
        for one in value
    )
    checks.require(listed, name, value, _CANDIDATES)
    return list(value)


def points(found):
    """Returns the points and axis labels of a chart of candidates.

    The chart shows the metric over the first of `_COSTS` that all candidates
    have. Without one, it returns `([], None)`.
    """
    known = [c for c in _COSTS if all(_has(one, c) for one in found)]
    if not known or not all(_has(one, "metric") for one in found):
        return [], None
    across = known[0]
    drawn = [
        (one[across], one["metric"], one.get("interval"), _is_chosen(one))
        for one in found
    ]
    return drawn, (_COSTS[across], "metric")


def columns(found):
    """Returns the names of all fields, and a row of texts per candidate."""
    names = list(dict.fromkeys(name for one in found for name in one))
    head = [name.replace("_", " ") for name in names]
    return head, [[_words(one.get(n)) for n in names] for one in found]


def _by_name(lines):
    if not all(isinstance(line, dict) for line in lines):
        return None
    if any("epoch" in line for line in lines):
        lines = [line for line in lines if "epoch" in line]
    names = dict.fromkeys(name for line in lines for name in line)
    return {n: [line.get(n, math.nan) for line in lines] for n in names}


def _is_nan(value):
    return isinstance(value, float) and not math.isfinite(value)


def _is_chosen(one):
    return bool(one.get("chosen"))


def _has(one, name):
    return checks.is_number(one.get(name))


def _fits(name, value):
    if not isinstance(name, str):
        return False
    if name == "interval" and value is not None:
        pair = isinstance(value, list | tuple) and len(value) == 2
        return pair and all(map(checks.is_number, value))
    plain = value is None or isinstance(value, bool | str)
    return plain or checks.is_number(value) or _is_nan(value)


def _words(value):
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, list | tuple):
        return " to ".join(map(short, value))
    return value if isinstance(value, str) else short(value)
