"""What `shrink` does to a model, in numbers and as a table."""

import dataclasses
import itertools
import textwrap

_GAP = "  "
_WIDTH = 100
_NAMES = 40


@dataclasses.dataclass(frozen=True)
class Row:
    """What becomes of one layer.

    Attributes:
        layer: Name of the layer, with those of the models that it is in.
        before, after: Numbers of its output channels.
        why: Why dead channels of it had to stay, or it is left whole; what
            part of its input it reads. Empty if there is nothing to say.
    """

    layer: str
    before: int
    after: int
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What becomes of a model.

    Attributes:
        model: Name of the model.
        rows: Tuple of `Row`: layers with kernels or embeddings.
        parameters: Numbers of parameters before and after.
        multiply_adds: Numbers of multiply-adds for one example, or `None` if
            they are not known.
    """

    model: str
    rows: tuple
    parameters: tuple
    multiply_adds: tuple | None

    def __str__(self):
        return "\n".join(_lines(self))


def _lines(plan):
    cells = [("Layer", "Before", "After", "Why the rest stays")]
    for row in plan.rows:
        cells.append((row.layer, f"{row.before:,}", f"{row.after:,}", row.why))
    widths = [max(len(line[i]) for line in cells) for i in range(3)]
    widths[0] = min(widths[0], _NAMES)
    yield f'Model: "{plan.model}"'
    for number, line in enumerate(cells):
        yield from _folded(line, widths)
        if number == 0:
            yield "-" * _WIDTH
    yield "-" * _WIDTH
    yield _total("Parameters", plan.parameters)
    if plan.multiply_adds is None:
        yield "Multiply-adds per example: n/a."
    else:
        yield _total("Multiply-adds per example", plan.multiply_adds)


def _folded(cells, widths):
    """Yields the lines of a row: a long name or reason goes on below."""
    name, before, after, why = cells
    left = _WIDTH - sum(widths) - 3 * len(_GAP)
    columns = (
        _broken_at_slashes(name, widths[0]),
        [before.rjust(widths[1])],
        [after.rjust(widths[2])],
        textwrap.wrap(why, left, break_on_hyphens=False),
    )
    for parts in itertools.zip_longest(*columns, fillvalue=""):
        padded = map(str.ljust, parts, (*widths, 0))
        yield _GAP.join(padded).rstrip()


def _broken_at_slashes(name, width):
    lines = textwrap.wrap(name.replace("/", "/ "), width)
    return [line.replace("/ ", "/") for line in lines]


def _total(name, pair):
    before, after = pair
    share = f" ({after / before:.4f})" if before else ""
    return f"{name}: {after:,} of {before:,}{share}."
