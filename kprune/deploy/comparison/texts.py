"""Formats a comparison for terminals and as Markdown."""

from kprune.runtime import tables

HEADER = ("What", "Before", "After", "Ratio", "Middle half")
LAYERS = (
    "Weight",
    "Entries before",
    "After",
    "Not zero before",
    "After",
    "Multiply-adds before",
    "After",
)
UNKNOWN = "n/a"


def plain(comparison):
    """Returns a comparison as text for terminals."""
    first, *rest = lines(comparison)
    table = tables.terminal(HEADER, list(map(cells, comparison.rows)))
    return "\n".join([first, table, *rest])


def markdown(comparison):
    """Returns a comparison in Markdown, with a table per layer."""
    first, *rest = lines(comparison)
    table = tables.markdown(HEADER, map(cells, comparison.rows))
    parts = [first, table, "\n".join(f"- {line}" for line in rest)]
    if comparison.layers:
        rows = map(layer_cells, comparison.layers)
        parts.append(tables.markdown(LAYERS, rows))
    return "\n\n".join(parts)


def lines(comparison):
    """Yields the sentences of a comparison: the first for above its table, the
    others for below."""
    yield f'Before: "{comparison.before}". After: "{comparison.after}".'
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
    yield from comparison.notes


def cells(row):
    """Returns the texts of a row, one for each column of `HEADER`."""
    low, high = row.spread or (None, None)
    # Shares have no ratio, and agreement has no value before.
    unknown = "" if row.unit == "share" else UNKNOWN
    return (
        label(row),
        number(row.before, row.unit, unknown),
        number(row.after, row.unit, unknown),
        unknown if row.ratio is None else f"{row.ratio:.2f} x",
        "" if low is None else f"{low:.2f} to {high:.2f}",
    )


def layer_cells(row):
    """Returns the texts of a weight, one for each column of `LAYERS`."""
    return (
        row.name,
        number(row.before),
        number(row.after),
        number(row.kept_before),
        number(row.kept_after),
        number(row.multiply_adds_before),
        number(row.multiply_adds_after),
    )


def label(row):
    """Returns the label of a row: its name and unit."""
    name = row.name if ": " in row.name else row.name[0].upper() + row.name[1:]
    plain = row.unit in ("", "share")
    return name if plain else f"{name}, {row.unit}"


def number(value, unit="", unknown=UNKNOWN):
    """Returns a figure as text for readers."""
    if value is None:
        return unknown
    if unit == "share":
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
