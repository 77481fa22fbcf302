"""The report: its rows and their totals."""

import dataclasses
import json

from kprune.analysis.report import given, page
from kprune.analysis.report.row import fraction
from kprune.runtime import checks, files, paths
from kprune.runtime.doors import checked

_TOTALS = (
    "total",
    "kept",
    "sparsity",
    "effective_kept",
    "effective_sparsity",
    "output_units",
    "dead_outputs",
    "model_total",
    "model_kept",
    "model_sparsity",
    "multiply_adds",
    "sparse_multiply_adds",
    "overlap",
    "saliency",
    "gradient_norm",
    "untraced",
    "unfollowed",
)


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
        unfollowed: Why no paths are known, or `None`.
        overlap: Jaccard index with the masks compared with, over all weights
            together, or `None`.
        saliency: Sum of |w dL/dw| over the kept weights, with the gradient
            taken in the pruned network, or `None` without data.
        gradient_norm: Euclidean norm of the same dL/dw, or `None`.
        drawings: Dict of a `Drawing` by weight, what a page shows of masks; it
            is no part of `to_dict`.
    """

    model: str
    rows: tuple
    model_total: int
    untraced: str | None = None
    unfollowed: str | None = None
    overlap: float | None = None
    saliency: float | None = None
    gradient_norm: float | None = None
    drawings: dict = dataclasses.field(default_factory=dict, compare=False)

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
    def collapsed(self):
        """Names of the prunable weights that keep nothing (layer collapse)."""
        rows = [row for row in self.rows if row.counts and row.total]
        return tuple(row.name for row in rows if not row.kept)

    @property
    def effective_kept(self):
        """Number of prunable entries kept that lie on a path of kept weights
        from an input to an output, or `None` if not known."""
        if self.unfollowed is not None:
            return None
        return self._sum("effective_kept")

    @property
    def effective_sparsity(self):
        """Fraction of the prunable entries that are not among these."""
        kept = self.effective_kept
        return None if kept is None else fraction(self.total - kept, self.total)

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
            "collapsed": list(self.collapsed),
            **{name: getattr(self, name) for name in _TOTALS},
            "rows": [_as_dict(row) for row in self.rows],
        }

    def to_json(self):
        """Returns `to_dict` as a JSON string."""
        return json.dumps(self.to_dict(), indent=2)

    @checked(path=paths.file)
    def save(self, path):
        """Writes `to_json` to a file, in a directory that exists."""
        files.write_json(path, self.to_dict())

    @checked(
        path=checks.optional(paths.file),
        history=checks.optional(given.history),
        candidates=checks.optional(given.candidates),
    )
    def to_html(self, path=None, *, history=None, candidates=None):
        """Returns a page that needs nothing beside itself, and writes it.

        It shows what is kept of each weight and its multiply-adds as bars,
        how its output units are connected, and the masks of the first three
        weights. It is light or dark as the browser is, and has no scripts.

        Args:
            path: File path, in a directory that exists, or `None`.
            history: What `fit` returns, a dict of lists by metric, or a list
                of dicts of an epoch each, as the lines of `metrics.jsonl`: its
                curves are shown.
            candidates: List of dicts, models that were to choose from: each
                has some of `sparsity`, `metric`, `interval` (a pair),
                `parameters`, `multiply_adds`, `latency`, `seconds` and
                `chosen`. They are shown in a table and as points.

        Returns:
            A string.

        Raises:
            ValueError: If an argument does not fit.
            OSError: If it cannot be written.

        Example:

        >>> report = kprune.report(model)
        >>> page = report.to_html("report.html")
        >>> page.splitlines()[0]
        '<!DOCTYPE html>'
        """
        if history is not None:
            history = given.history("history", history)
        made = page.page(self, history, candidates)
        if path is not None:
            files.write_text(path, made)
        return made

    def __repr__(self):
        return (
            f"<Report of {self.model!r}: sparsity {self.sparsity:.4f} of "
            f"prunable weights, {self.model_sparsity:.4f} of the whole model>"
        )

    def _sum(self, name):
        return sum(getattr(r, name) for r in self.rows if r.counts)

    def _sum_known(self, name):
        values = [getattr(row, name) for row in self.rows]
        known = [value for value in values if value is not None]
        return sum(known) if known else None


def _as_dict(row):
    values = dataclasses.asdict(row)
    return {**values, "shape": list(row.shape), "sparsity": row.sparsity}
