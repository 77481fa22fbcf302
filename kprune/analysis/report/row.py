"""One row of a report: the numbers of one weight."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """The numbers of one weight of a model.

    Attributes:
        name: As in `kprune.get_masks`, such as `"conv1/kernel"`.
        shape: Tuple of integers, the weight's shape.
        kept: Number of entries kept.
        total: Number of entries.
        output_units: Number of output units: units, filters, recurrent units.
        dead_outputs: Number of output units that keep no entry.
        input_units: Number of input units, 0 if the weight has no input axis.
        dead_inputs: Number of input units that keep no entry.
        skipped: Why the weight was not pruned, or `None`.
        multiply_adds: Multiply-adds with the dense weight for one example, or
            `None` if unknown.
        sparse_multiply_adds: Multiply-adds with the kept entries for one
            example, or `None` if unknown.
        effective_kept: Number of entries kept that lie on a path from an
            input to an output, or `None` if unknown.
        effective_outputs: Number of output units on such a path, or `None`.
        kernels: Number of kernels, pairs of an input and an output unit, of a
            convolution; `None` for other weights.
        effective_kernels: Number of kernels with an entry on such a path, or
            `None`.
        overlap: Jaccard index of the mask and the one compared with, in
            [0, 1], or `None`.
        saliency: Share of the model's saliency, in [0, 1], or `None` without
            data.
    """

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int
    output_units: int
    dead_outputs: int
    input_units: int
    dead_inputs: int
    skipped: str | None = None
    multiply_adds: int | None = None
    sparse_multiply_adds: int | None = None
    effective_kept: int | None = None
    effective_outputs: int | None = None
    kernels: int | None = None
    effective_kernels: int | None = None
    overlap: float | None = None
    saliency: float | None = None

    @property
    def counts(self) -> bool:
        """Whether the weight is prunable and counts in the totals."""
        return self.skipped is None

    @property
    def sparsity(self) -> float:
        """Fraction of the entries removed."""
        return fraction(self.total - self.kept, self.total)


def fraction(part, total):
    """Returns `part / total`, or 0.0 if `total` is 0."""
    return part / total if total else 0.0
