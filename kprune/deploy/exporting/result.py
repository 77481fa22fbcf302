"""The result of an export, as numbers and as a table."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from kprune.runtime import tables

_HEADER = ("Weight", "Zeros", "Stored as", "Why")


@dataclasses.dataclass(frozen=True)
class Row:
    """The storage of one weight in a file.

    Attributes:
        weight: Name of the weight, e.g. `"conv1/kernel"`.
        zeros: Share of its entries that are zero, in [0, 1].
        stored: How it is stored, e.g. `"dense"`, `"block 1x4"`, `"CSR"` or
            `"DENSIFY"`.
        why: Why it is stored so, and what the runtime gains.
    """

    weight: str
    zeros: float
    stored: str
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Written:
    """The return value of a format's `write`.

    Attributes:
        rows: Tuple of `Row`, one per weight.
        notes: Tuple of sentences on the file as a whole.
    """

    rows: tuple
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Exported:
    """The result of `kprune.export`. Its `str` is a table.

    Attributes:
        path: `pathlib.Path` of the file or directory.
        format: Name of the format.
        quantize: Name of the quantization, or `None`.
        bytes: Size in bytes of the file, with those beside it, or of all files
            in the directory.
        gzipped: Size in bytes after compression by gzip.
        error: Largest difference between the file's outputs in its own runtime
            and the model's, relative to the largest output. `None` if the
            inputs are unknown and nothing was compared.
        tolerance: The largest allowed `error`.
        rows: Tuple of `Row`, one per weight.
        notes: Tuple of sentences on the file as a whole.
    """

    path: object
    format: str
    quantize: str | None
    bytes: int
    gzipped: int
    error: float | None
    tolerance: float
    rows: tuple
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as a JSON-serializable dict."""
        found = dataclasses.asdict(self)
        return {**found, "path": str(self.path)}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(exported: Exported) -> Iterator[str]:
    kind = exported.format
    if exported.quantize:
        kind += f", {exported.quantize}"
    yield f"{exported.path} ({kind})"
    rows = [
        (row.weight, f"{row.zeros:.4f}", row.stored, row.why)
        for row in exported.rows
    ]
    if rows:
        yield tables.terminal(_HEADER, rows, words=(0, 2, 3))
    yield f"Bytes: {exported.bytes:,}; gzipped: {exported.gzipped:,}."
    if exported.error is None:
        yield "It was not compared: the model's input shapes are not known."
    else:
        yield (
            f"Its outputs differ from the model's by {exported.error:.1e} of "
            f"the largest (allowed: {exported.tolerance:.0e})."
        )
    yield from exported.notes
