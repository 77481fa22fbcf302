"""The numbers of a report: rows for weights, and totals."""

import dataclasses
import json
import pathlib

_TOTALS = (
    "total",
    "kept",
    "sparsity",
    "output_units",
    "dead_outputs",
    "model_total",
    "model_kept",
    "model_sparsity",
    "multiply_adds",
    "sparse_multiply_adds",
)


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

    @property
    def sparsity(self):
        """Fraction of the entries removed."""
        return fraction(self.total - self.kept, self.total)


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """How sparse a model is, in numbers.

    `total`, `kept` and `sparsity` count the weights that could be pruned:
    rows with a reason in `skipped` do not enter. Those that begin with
    `model_` count all that `model.count_params()` counts in the stripped
    model: biases, batch normalization's gamma, beta and moving statistics,
    but neither masks nor random seeds.

    Attributes:
        model: Name of the model.
        rows: Tuple of `Row`, in the order of the model.
        model_total: Number of parameters of the whole model.
        untraced: Why no multiply-adds are known, or `None`.
    """

    model: str
    rows: tuple
    model_total: int
    untraced: str | None = None

    @property
    def total(self):
        """Number of prunable entries."""
        return self._sum("total")

    @property
    def kept(self):
        """Number of prunable entries kept."""
        return self._sum("kept")

    @property
    def sparsity(self):
        """Fraction of the prunable entries removed."""
        return fraction(self.total - self.kept, self.total)

    @property
    def output_units(self):
        """Number of output units of all prunable weights."""
        return self._sum("output_units")

    @property
    def dead_outputs(self):
        """Number of these that have no entry left."""
        return self._sum("dead_outputs")

    @property
    def model_kept(self):
        """Number of parameters of the whole model that are kept."""
        removed = sum(row.total - row.kept for row in self.rows)
        return self.model_total - removed

    @property
    def model_sparsity(self):
        """Fraction of the parameters of the whole model removed."""
        removed = self.model_total - self.model_kept
        return fraction(removed, self.model_total)

    @property
    def multiply_adds(self):
        """Multiply-adds of the dense model for one example, skipped weights
        included and rows of unknown number left out; `None` without any."""
        return self._sum_known("multiply_adds")

    @property
    def sparse_multiply_adds(self):
        """The same with the entries kept."""
        return self._sum_known("sparse_multiply_adds")

    def to_dict(self):
        """Returns all numbers as a dict that JSON can hold."""
        return {
            "model": self.model,
            **{name: getattr(self, name) for name in _TOTALS},
            "untraced": self.untraced,
            "rows": [_as_dict(row) for row in self.rows],
        }

    def to_json(self):
        """Returns `to_dict` as a JSON string."""
        return json.dumps(self.to_dict(), indent=2)

    def save(self, path):
        """Writes `to_json` to a file, in a directory that exists."""
        pathlib.Path(path).write_text(self.to_json() + "\n")

    def __repr__(self):
        return (
            f"<Report of {self.model!r}: sparsity {self.sparsity:.4f} of "
            f"prunable weights, {self.model_sparsity:.4f} of the whole model>"
        )

    def _sum(self, name):
        return sum(getattr(r, name) for r in self.rows if r.skipped is None)

    def _sum_known(self, name):
        values = [getattr(row, name) for row in self.rows]
        known = [value for value in values if value is not None]
        return sum(known) if known else None


def fraction(part, total):
    """Returns part / total, or 0.0 of nothing."""
    return part / total if total else 0.0


def _as_dict(row):
    values = dataclasses.asdict(row)
    return {**values, "shape": list(row.shape), "sparsity": row.sparsity}
