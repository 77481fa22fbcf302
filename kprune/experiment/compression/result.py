"""The result of a compression: a model and its candidates."""

import dataclasses
from typing import Any

from kprune.deploy.exporting import Exported
from kprune.runtime import files, paths, tables, types
from kprune.runtime.doors import checked

_HEADER = (
    *("", "Of", "By", "Sparsity", "Metric", "95 % interval", "Parameters"),
    *("Multiply-adds", "ms", "Bytes", "Seconds", ""),
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Compressed:
    """The result of `kprune.compress`.

    Attributes:
        model: The chosen model, plain and compiled like the original.
        candidates: List of dicts, the first of the original model: `number`,
            `parent`, `left` (the share that it was pruned to), `method` (the
            criterion and the allocation, if one was chosen), `sparsity`,
            `metric`, `interval` (95 %, over the examples), `parameters`,
            `multiply_adds`, `latency` (milliseconds of one example),
            `latency_share` and `latency_spread` (relative to the original,
            with the interquartile range), `latency_processes` (the number of
            new processes it was measured in, 0 for the one of the call),
            `bytes`, `seconds`, `within` (`max_drop`), `met` (the target) and
            `chosen`. Values that were not measured are `None`.
        met: Whether the chosen candidate meets the budget.
        metric: Name of the metric.
        goal: String, the budget in words.
        selected_on: String, the data that the metric was measured on.
        runtime: Name of the format in which time and bytes were measured.
        exported: The `Exported` of the file that was written, or `None`.
    """

    model: object
    candidates: list
    met: bool
    metric: str
    goal: str
    selected_on: str
    runtime: str
    exported: Exported | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """The dict of the chosen candidate."""
        return next(one for one in self.candidates if one["chosen"])

    def to_dict(self) -> dict[str, Any]:
        """Returns all measurements as a dict, for JSON."""
        names = ("candidates", "met", "metric", "goal", "selected_on")
        found = {name: getattr(self, name) for name in (*names, "runtime")}
        return {"model": self.model.name, **found}  # type: ignore[attr-defined]

    @checked(path=paths.file)
    def save(self, path: types.Path) -> None:
        """Writes `to_dict()` to a JSON file, in a directory that exists."""
        files.write_json(path, self.to_dict())

    def __str__(self) -> str:
        lines = [
            f"Asked for: {self.goal}. "
            f"{'It is met' if self.met else 'It is not met'}.",
            tables.terminal(
                _HEADER, list(map(_row, self.candidates)), words=(2, 11)
            ),
            f"The metric is {self.metric!r}; candidates were selected on "
            f"{self.selected_on}. Milliseconds are those of one example in "
            f"{self.runtime}.",
        ]
        return "\n".join(lines)

    def __repr__(self):
        return (
            f"<Compressed {self.model.name!r}: {len(self.candidates)} "
            f"candidates, {'met' if self.met else 'not met'}>"
        )


def _row(one):
    ends = one["interval"]
    parent = one["parent"]
    return (
        str(one["number"]),
        "" if parent is None else str(parent),
        one["method"] or "",
        f"{one['sparsity']:.4f}",
        f"{one['metric']:.4f}",
        "n/a" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}",
        f"{one['parameters']:,}",
        _known(one["multiply_adds"], ",d"),
        _known(one["latency"], ".4g"),
        _known(one["bytes"], ",d"),
        f"{one['seconds']:.1f}",
        "chosen" if one["chosen"] else "",
    )


def _known(value, form):
    return "n/a" if value is None else format(value, form)
