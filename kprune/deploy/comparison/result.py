"""What a comparison found, in numbers and as a table."""

import dataclasses

from kprune.runtime import lookup, tables

_HEADER = ("What", "Before", "After", "Ratio", "Middle half")
_UNKNOWN = "n/a"


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that was compared.

    Attributes:
        name: What it is, as `"parameters"` or `"inference, batch 1"`.
        before, after: How much there is of it, or `None` if not known.
        ratio: Before over after: above 1, after is smaller or faster. Of
            times, the median over the alternations. `None` if not known.
        spread: Of times, the middle half of the ratios, lowest and highest.
        unit: `"bytes"`, `"ms"`, or empty for numbers.
    """

    name: str
    before: float | None
    after: float | None
    ratio: float | None
    spread: tuple | None = None
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models side by side. `str` makes a table of it.

    A row is found by its name: `comparison["parameters"].ratio`.

    Attributes:
        before, after: Names of the models.
        rows: Tuple of `Row`.
        repeats: How many alternations a ratio of times is the median of.
        cut_off: Those of `"before"` and `"after"` whose outputs do not depend
            on the inputs.
    """

    before: str
    after: str
    rows: tuple
    repeats: int
    cut_off: tuple = ()

    def __getitem__(self, name):
        rows = {row.name: row for row in self.rows}
        return lookup.choose(name, rows, "row")

    def to_dict(self):
        """Returns all numbers as a dict that JSON can hold."""
        return {
            "before": self.before,
            "after": self.after,
            "repeats": self.repeats,
            "cut_off": list(self.cut_off),
            "rows": [_as_dict(row) for row in self.rows],
        }

    def __str__(self):
        return "\n".join(_lines(self))


def _as_dict(row):
    spread = None if row.spread is None else list(row.spread)
    return {**dataclasses.asdict(row), "spread": spread}


def _lines(comparison):
    yield f'Before: "{comparison.before}". After: "{comparison.after}".'
    yield tables.terminal(_HEADER, list(map(_cells, comparison.rows)))
    yield "Ratios are before / after: above 1, after is smaller or faster."
    yield (
        f"Those of times are medians of {comparison.repeats}, taken by turns "
        "in one process."
    )
    for which in comparison.cut_off:
        name = getattr(comparison, which)
        yield (
            f'The outputs of "{name}" ({which}) do not depend on its inputs: '
            "nothing flows through it."
        )


def _cells(row):
    label = row.name[0].upper() + row.name[1:]
    low, high = row.spread or (None, None)
    return (
        f"{label}, {row.unit}" if row.unit else label,
        _number(row.before),
        _number(row.after),
        _UNKNOWN if row.ratio is None else f"{row.ratio:.2f} x",
        "" if low is None else f"{low:.2f} to {high:.2f}",
    )


def _number(value):
    if value is None:
        return _UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
