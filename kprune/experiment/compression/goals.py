"""The target of a compression, and the method that reaches it.

The rule of `method="auto"` is fixed:

| target | removes | by | sized by |
|---|---|---|---|
| `flops`, `latency`, none | channels | taylor, two ways | multiply-adds |
| `parameters` | channels | taylor, two ways | parameters |
| `bytes`, `sparsity` | single weights | magnitude, global | a sparsity |

The two ways are uniform and LAMP allocation. The first step is made in each,
and the search goes on in the one with the better metric.
"""

import dataclasses

from kprune.deploy.exporting import formats, staging
from kprune.pruning import recipes
from kprune.runtime import checks, lookup

# By kind of target, the quantity that sizes a step.
_SIZED_BY = {
    "flops": "flops",
    "latency": "flops",
    "parameters": "parameters",
    "bytes": "sparsity",
    "sparsity": "sparsity",
}
# Each is the better one on some network (docs/methods/index.md).
_CHANNELS = tuple(
    {"method": "taylor", "granularity": "channel", "allocation": allocation}
    for allocation in ("uniform", "lamp")
)
_MEASURED = {"latency": "runtime", "bytes": "format"}
_DEFAULTS = {"latency": "litert", "bytes": "packed"}


@dataclasses.dataclass(frozen=True)
class Goal:
    """The share of a model's cost to leave.

    Args:
        kind: String, the cost; or `None`, for as small as `max_drop` allows.
        left: Number in (0, 1), the share to leave at most, or `None`.
        runtime: Name of the format in which time and bytes are measured.
    """

    kind: str | None
    left: float | None
    runtime: str

    @property
    def measured(self):
        """Whether the size must be measured on a candidate."""
        return self.kind in _MEASURED

    @property
    def sized_by(self):
        """The quantity of a step: "flops", "parameters" or "sparsity"."""
        return _SIZED_BY[self.kind or "flops"]

    def ways(self, method):
        """Returns the ways to prune, dicts of arguments of `kprune.prune`."""
        if method != "auto":
            return ({"method": method},)
        if self.sized_by == "sparsity":
            return ({"method": "magnitude"},)
        return _CHANNELS

    def size(self, left):
        """Returns the argument of `kprune.prune` that leaves a share."""
        if self.sized_by == "sparsity":
            return {"sparsity": 1 - left}
        return {"target": {self.sized_by: left}}

    def is_met(self, record):
        """Returns whether a candidate is small enough."""
        if self.left is None:
            return False
        share = record["share"] if self.measured else record["left"]
        return share <= self.left * (1 + 1e-9)

    def __str__(self):
        if self.kind is None:
            return "as few multiply-adds as the metric allows"
        where = f" in {self.runtime}" if self.measured else ""
        if self.kind == "sparsity":
            return f"a sparsity of {1 - self.left:g}"
        return f"{self.left:g} of the {self.kind}{where}"


def get(target, export=None):
    """Returns the `Goal` of a target.

    Args:
        target: As of `kprune.compress`.
        export: Path that will be exported to, or `None`.
    """
    runtime = "keras" if export is None else _format_to_export(export)
    if target is None:
        return Goal(None, None, runtime)
    if checks.is_number(target):
        target = {"sparsity": target}
    kind, left, options = _parts(target)
    name = _MEASURED.get(kind)
    lookup.check_options(options, [name] if name else [], f"target {kind!r}")
    checks.number(f"target[{kind!r}]", left, "(0, 1)", _meaning(kind))
    if name:
        default = _DEFAULTS[kind] if export is None else runtime
        runtime = options.get(name, default)
        checks.choice(f"target[{name!r}]", runtime, formats.FORMATS)
        formats.check_installed(formats.FORMATS[runtime])
    left = 1 - float(left) if kind == "sparsity" else float(left)
    return Goal(kind, left, runtime)


def _format_to_export(path):
    """Returns the name of the format of a path, which must be writable."""
    found = formats.find(path)
    formats.check_installed(found)
    staging.check_free(found, path)
    return found.name


def _parts(target):
    """Returns the kind, the number and the options of a target."""
    expected = (
        'a sparsity, or a dict such as {"flops": 0.5}, '
        '{"latency": 0.5, "runtime": "litert"} or {"bytes": 0.2}'
    )
    known = isinstance(target, dict) and all(
        isinstance(key, str) for key in target
    )
    checks.require(known and target, "target", target, expected)
    kinds = [key for key in target if key in _SIZED_BY]
    if not kinds:
        raise ValueError(
            lookup.unknown(next(iter(target)), _SIZED_BY, "cost in `target`")
        )
    checks.require(len(kinds) == 1, "target", target, expected)
    (kind,) = kinds
    rest = {key: value for key, value in target.items() if key != kind}
    return kind, target[kind], rest


def _meaning(kind):
    return ", the share to " + ("remove" if kind == "sparsity" else "leave")


def check_method(name, value):
    """Returns a valid method: `"auto"`, or as for `kprune.prune`."""
    if not (isinstance(value, str) and value == "auto"):
        recipes.get(value)
    return value
