"""The result of an export, as numbers and as a table."""

import dataclasses

from kprune.runtime import tables

_HEADER = ("Weight", "Zeros", "Stored as", "Why")


@dataclasses.dataclass(frozen=True)
class Row:
    """How one weight was written.

    Attributes:
        weight: Name of the weight, as `"conv1/kernel"`.
        zeros: Share of it that is zero, in [0, 1].
        stored: How it is stored, as `"dense"`, `"block 1x4"`, `"CSR"` or
            `"DENSIFY"`.
        why: Why that was chosen, and what the runtime gains by it.
    """

    weight: str
    zeros: float
    stored: str
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Written:
    """What a format's `write` returns.

    Attributes:
        rows: Tuple of `Row`, one per weight.
        notes: Tuple of sentences on the file as a whole.
    """

    rows: tuple
    notes: tuple = ()


@dataclasses.dataclass(frozen=True)
class Exported:
    """What `kprune.export` wrote. `str` makes a table of it.

    Attributes:
        path: `pathlib.Path` of the file or directory.
        format: Name of the format.
        quantize: Name of the quantization, or `None`.
        bytes: Size of the file, or of all files in the directory.
        gzipped: Size in bytes once it is compressed by gzip.
        error: Largest difference between what the file gives in its own runtime
            and the model's outputs, as a share of the largest output. `None`
            where it was not compared, as the inputs are not known.
        tolerance: The largest `error` that was allowed.
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
    notes: tuple = ()

    def to_dict(self):
        """Returns all of it as a dict that JSON can hold."""
        found = dataclasses.asdict(self)
        return {**found, "path": str(self.path)}

    def __str__(self):
        return "\n".join(_lines(self))


def _lines(exported):
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
