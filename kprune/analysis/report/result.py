"""The report: its rows and their totals."""

import dataclasses
import json
from typing import Any

import keras

from kprune.analysis.report import given, page
from kprune.analysis.report.drawings import Drawing
from kprune.analysis.report.row import Row, fraction
from kprune.runtime import checks, files, paths
from kprune.runtime.doors import checked
from kprune.runtime.types import Path

_TOTALS = (
    "total",
    "kept",
    "sparsity",
    "effective_kept",
    "effective_sparsity",
    "effective_outputs",
    "kernels",
    "effective_kernels",
    "effective_paths",
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
    """The sparsity of a model, in numbers.

    `total`, `kept` and `sparsity` count the prunable weights: rows with a
    reason in `skipped` are left out. Names that begin with `model_` count
    everything that `model.count_params()` counts in the stripped model: biases
    and batch normalization's gamma, beta and moving statistics too, but neither
    masks nor random seeds.

    Attributes:
        model: Name of the model.
        rows: Tuple of `Row`, in the model's order.
        model_total: Number of parameters of the whole model.
        untraced: Why the multiply-adds are unknown, or `None`.
        unfollowed: Why the paths are unknown, or `None`.
        effective_paths: Number of paths of kept weights from an input to an
            output, for an input of one example: an integer, or a float from
            2^53 on. A convolution has a way for each position of its window,
            pooling adds its window up, and skipped weights count. `None` if
            paths are unknown, or the model has layers of its own classes.
        overlap: Jaccard index with the masks to compare with, over all
            prunable weights together, or `None`.
        saliency: Sum of |w dL/dw| over the kept weights, with the gradient
            taken in the pruned network, or `None` without data.
        gradient_norm: L2 norm of the same dL/dw, or `None`.
        drawings: Dict from weight name to `Drawing`, for `to_html`; not part
            of `to_dict`.
    """

    model: str
    rows: tuple[Row, ...]
    model_total: int
    untraced: str | None = None
    unfollowed: str | None = None
    effective_paths: float | None = None
    overlap: float | None = None
    saliency: float | None = None
    gradient_norm: float | None = None
    drawings: dict[str, Drawing] = dataclasses.field(
        default_factory=dict, compare=False
    )

    @property
    def total(self) -> int:
        """Number of prunable entries."""
        return self._sum("total")

    @property
    def kept(self) -> int:
        """Number of prunable entries kept."""
        return self._sum("kept")

    @property
    def sparsity(self) -> float:
        """Fraction of the prunable entries removed."""
        return fraction(self.total - self.kept, self.total)

    @property
    def collapsed(self) -> tuple[str, ...]:
        """Names of the prunable weights that keep nothing (layer collapse)."""
        rows = [row for row in self.rows if row.counts and row.total]
        return tuple(row.name for row in rows if not row.kept)

    @property
    def effective_kept(self) -> int | None:
        """Number of prunable entries kept that lie on a path of kept weights
        from an input to an output, or `None` if unknown."""
        return self._sum_if_followed("effective_kept")

    @property
    def effective_sparsity(self) -> float | None:
        """Fraction of the prunable entries that are removed or not on a path,
        or `None` if unknown."""
        kept = self.effective_kept
        return None if kept is None else fraction(self.total - kept, self.total)

    @property
    def effective_outputs(self) -> int | None:
        """Number of output units of all prunable weights on a path from an
        input to an output, the effective nodes of Pham et al., 2023
        (https://openreview.net/forum?id=xdOoCWCYaY), or `None` if unknown."""
        return self._sum_if_followed("effective_outputs")

    @property
    def kernels(self) -> int | None:
        """Number of kernels of all prunable convolutions, or `None` without
        any."""
        return self._sum_known("kernels", prunable=True)

    @property
    def effective_kernels(self) -> int | None:
        """Number of kernels of all prunable convolutions on a path from an
        input to an output, or `None` if unknown."""
        return self._sum_known("effective_kernels", prunable=True)

    @property
    def output_units(self) -> int:
        """Number of output units of all prunable weights."""
        return self._sum("output_units")

    @property
    def dead_outputs(self) -> int:
        """Number of output units of all prunable weights that keep nothing."""
        return self._sum("dead_outputs")

    @property
    def model_kept(self) -> int:
        """Number of parameters of the whole model that are kept."""
        removed = sum(row.total - row.kept for row in self.rows)
        return self.model_total - removed

    @property
    def model_sparsity(self) -> float:
        """Fraction of the parameters of the whole model removed."""
        removed = self.model_total - self.model_kept
        return fraction(removed, self.model_total)

    @property
    def multiply_adds(self) -> int | None:
        """Multiply-adds of the dense model for one example. Skipped weights are
        included, rows of unknown number are not; `None` if all are unknown."""
        return self._sum_known("multiply_adds")

    @property
    def sparse_multiply_adds(self) -> int | None:
        """Multiply-adds with only the kept entries, counted alike."""
        return self._sum_known("sparse_multiply_adds")

    def to_dict(self) -> dict[str, Any]:
        """Returns all numbers as a dict for JSON."""
        return {
            "model": self.model,
            "collapsed": list(self.collapsed),
            **{name: getattr(self, name) for name in _TOTALS},
            "rows": [_as_dict(row) for row in self.rows],
        }

    def to_json(self) -> str:
        """Returns `to_dict` as a JSON string."""
        return json.dumps(self.to_dict(), indent=2)

    @checked(path=paths.file)
    def save(self, path: Path) -> None:
        """Writes `to_json` to a file in an existing directory."""
        files.write_json(path, self.to_dict())

    @checked(
        path=checks.optional(paths.file),
        history=checks.optional(given.history),
        candidates=checks.optional(given.candidates),
    )
    def to_html(
        self,
        path: Path | None = None,
        *,
        history: keras.callbacks.History
        | dict[str, list[float]]
        | list[dict[str, Any]]
        | None = None,
        candidates: list[dict[str, Any]] | None = None,
    ) -> str:
        """Returns the report as a self-contained HTML page, and writes it.

        The page shows the kept entries and multiply-adds of each weight as
        bars, how its output units are connected, and the masks of the first
        three weights. It follows the browser's light or dark theme and has no
        scripts.

        Args:
            path: File path, in an existing directory, or `None` to write
                nothing.
            history: The `History` of `fit`, a dict of lists by metric, or a
                list of dicts of one epoch each, such as the lines of
                `metrics.jsonl`. The page shows its curves.
            candidates: List of dicts, one for each model to choose from, with
                some of `sparsity`, `metric`, `interval` (a pair),
                `parameters`, `multiply_adds`, `latency`, `seconds` and
                `chosen`. The page shows them in a table and as points.

        Returns:
            The page as a string.

        Raises:
            ValueError: If an argument is invalid.
            OSError: If the file cannot be written.

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

    def __repr__(self) -> str:
        return (
            f"<Report of {self.model!r}: sparsity {self.sparsity:.4f} of "
            f"prunable weights, {self.model_sparsity:.4f} of the whole model>"
        )

    def _sum(self, name):
        return sum(getattr(r, name) for r in self.rows if r.counts)

    def _sum_if_followed(self, name):
        return None if self.unfollowed is not None else self._sum(name)

    def _sum_known(self, name, prunable=False):
        rows = [row for row in self.rows if row.counts or not prunable]
        values = [getattr(row, name) for row in rows]
        known = [value for value in values if value is not None]
        return sum(known) if known else None


def _as_dict(row):
    values = dataclasses.asdict(row)
    return {**values, "shape": list(row.shape), "sparsity": row.sparsity}
