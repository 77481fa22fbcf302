"""The result of `plan`, as numbers and as a table."""

import dataclasses
from collections.abc import Iterator

from kprune.runtime import tables

_HEADER = ("Layer", "Before", "After", "Why the rest stays")


@dataclasses.dataclass(frozen=True)
class Row:
    """The change of one layer.

    Attributes:
        layer: Name of the layer, prefixed by the models that contain it.
        before, after: Number of its output channels.
        why: Why constant channels stay or the layer is left whole, or how many
            of its inputs it reads. Empty if there is nothing to note.
    """

    layer: str
    before: int
    after: int
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The changes of a model. Its `str` is a table.

    Attributes:
        model: Name of the model.
        rows: Tuple of `Row`, one per layer with kernels or embeddings.
        parameters: Numbers of parameters (before, after).
        multiply_adds: Multiply-adds per example (before, after), or `None` if
            unknown.
    """

    model: str
    rows: tuple
    parameters: tuple
    multiply_adds: tuple | None

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(plan: Plan) -> Iterator[str]:
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
