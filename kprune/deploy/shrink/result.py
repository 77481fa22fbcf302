"""The result of `shrink`, as numbers and as a table."""

import dataclasses

from kprune.runtime import tables

_HEADER = ("Layer", "Before", "After", "Why the rest stays")


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
    yield f'Model: "{plan.model}"'
    rows = [
        (row.layer, f"{row.before:,}", f"{row.after:,}", row.why)
        for row in plan.rows
    ]
    yield tables.terminal(_HEADER, rows, words=(0, 3))
    yield _total("Parameters", plan.parameters)
    if plan.multiply_adds is None:
        yield "Multiply-adds per example: n/a."
    else:
        yield _total("Multiply-adds per example", plan.multiply_adds)


def _total(name, pair):
    before, after = pair
    share = f" ({after / before:.4f})" if before else ""
    return f"{name}: {after:,} of {before:,}{share}."
