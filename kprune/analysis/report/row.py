"""One row of a report: the numbers of one weight."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One weight tensor of a model.

    Attributes:
        name: As in `kprune.get_masks`, such as `"conv1/kernel"`.
        shape: Its shape.
        kept: Number of entries kept.
        total: Number of entries.
        output_units: Number of output units: units, filters, recurrent units.
        dead_outputs: Of these, how many have no entry left.
        input_units: Number of input units, 0 if the weight has no input axis.
        dead_inputs: Of these, how many have no entry left.
        skipped: Why the weight was not pruned, or `None`.
        multiply_adds: Products taken with the dense weight for one example,
            or `None` if not known.
        sparse_multiply_adds: The same with the entries kept.
        effective_kept: Number of entries kept that lie on a path from an
            input to an output, or `None` if not known.
        overlap: Entries that this mask and the one compared with both keep,
            of those that either keeps; `None` if none was given.
        saliency: Share of the model's saliency, or `None` without data.
    """

    name: str
    shape: tuple
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
    overlap: float | None = None
    saliency: float | None = None

    @property
    def counts(self):
        """Whether the weight could be pruned, and enters the totals."""
        return self.skipped is None

    @property
    def sparsity(self):
        """Fraction of the entries removed."""
        return fraction(self.total - self.kept, self.total)


def fraction(part, total):
    """Returns part / total, or 0.0 of nothing."""
    return part / total if total else 0.0
