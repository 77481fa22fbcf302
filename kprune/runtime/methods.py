"""The table of methods: one entry each, beside the method's code.

A module that implements a method defines a `METHOD`, or `METHODS`, a tuple.
There is no registry: `entries` walks the packages on its first call.
"""

import dataclasses
import difflib
import functools
import importlib
import pkgutil
from typing import Any

from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked

_PACKAGES = (
    "pruning",
    "callbacks",
    "learned",
    "tickets",
    "training",
    "analysis",
    "models",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """A pruning method from the literature and how to call it.

    The arguments from `allocation` on are for criteria.

    Args:
        name: The name that `call` takes, such as `"snip"`, or that of the
            function itself.
        title: The method's name in the literature. Defaults to `name`.
        call: A Python expression that uses it. Defaults to a call of
            `kprune.prune` with a model, the name, 0.9 and data.
        paper: Authors and year.
        link: URL of the paper, or an empty string.
        test: `"tests/FILE.py::NAME"` of the test against a number worked out
            by hand.
        deviation: How kprune departs from the paper, or its choices where the
            paper is silent; an empty string if there are none.
        formula: The score or the rule in LaTeX, or an empty string. `w`, `m`,
            `g` and `H` are weights, mask, gradient and Hessian.
        build: A function or class of the method's options that builds it. For
            a criterion, the other arguments of its `kprune.Pruner`: a dict, or
            a function of the criterion and further options that returns one,
            which may have a subclass under `"pruner"`. Defaults to one round,
            ranked over the whole model.
        allocation: The default allocation of groups other than channels.
        channel: Dict of the arguments of `kprune.Channel` for
            `granularity="channel"`.
        channel_allocation: The default allocation of channels to layers.
            Scores that do not estimate a change of the loss have no common
            scale, and `"global"` may empty layers by them.
        channel_options: Options of the criterion for channels.
        channels_only: Whether the criterion scores only channels, and may omit
            weights.
        measures_inputs: Whether the criterion measures the inputs of weights.
            Weights with unknown inputs stay dense.
    """

    name: str
    title: str = ""
    call: str = ""
    paper: str = ""
    link: str = ""
    test: str = ""
    deviation: str = ""
    formula: str = ""
    build: Any = None
    allocation: str = "global"
    channel: dict[str, Any] = dataclasses.field(default_factory=dict)
    channel_allocation: str = "global"
    channel_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    channels_only: bool = False
    measures_inputs: bool = False

    def __post_init__(self) -> None:
        call = f'kprune.prune(model, "{self.name}", 0.9, data=data)'
        object.__setattr__(self, "title", self.title or self.name)
        object.__setattr__(self, "call", self.call or call)

    @property
    def used_by(self) -> str:
        """The name of the public function or class in `call`, such as
        `"prune"`."""
        return self.call.partition("(")[0].rpartition(".")[2]


@checked(used_by=checks.optional(checks.string))
def methods(used_by: str | None = None) -> dict[str, Method]:
    """Returns the methods by name, sorted.

    Args:
        used_by: The function or class that takes them, such as `"prune"`,
            `"GradualPruning"`, `"DynamicSparseTraining"`, `"select"` or
            `"imp"`. Defaults to all.

    Returns:
        Dict from name to `Method`, the first entry of each name.

    Example:

    >>> ", ".join(kprune.methods("select"))
    'biprop, edge_popup, gem_miner, supermask'
    """
    found: dict[str, Method] = {}
    for method in entries():
        if used_by in (None, method.used_by):
            found.setdefault(method.name, method)
    return dict(sorted(found.items()))


@functools.cache
def entries():
    """Returns a tuple of all entries. Where a name has several, the method
    itself comes first, then its variants with other options."""
    found = []
    for package in _PACKAGES:
        root = importlib.import_module(f"kprune.{package}")
        for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            found += of_module(importlib.import_module(info.name))
    return tuple(found)


def of_module(module):
    """Returns a list of the entries that a module defines."""
    own = getattr(module, "METHOD", None)
    found = getattr(module, "METHODS", (own,))
    return [method for method in found if isinstance(method, Method)]


def find(name, *used_by):
    """Returns the method of a name that one of the calls `used_by` takes; the
    `ValueError` suggests similar names, or the call that takes it."""
    known = methods()
    found = known.get(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(_unknown(name, known, used_by))
    if found.used_by not in used_by:
        raise ValueError(
            f"Method {name!r} {_use(found)}. Expected a method of "
            f"{used_by[0]}: {', '.join(_taken(known, used_by))}."
        )
    return found


def table():
    """Returns a Markdown table of all methods."""
    lines = [
        "| method | call | paper | test | where it parts from the paper |",
        "|---|---|---|---|---|",
    ]
    for method in entries():
        path, _, test = method.test.partition("::")
        paper = method.paper
        if method.link:
            paper = f"[{paper}]({method.link})"
        cells = (
            method.title,
            f"`{method.call}`",
            paper,
            f"`{path}`: `{test}`",
            method.deviation,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _use(method):
    """Returns how a method is used, in words."""
    callback = method.call.startswith("kprune.callbacks.")
    if callback and method.used_by[0].isupper():
        return (
            "prunes during training. Wrap or prune the model, then give it "
            f"to a callback: `model.fit(..., callbacks=[{method.call}])`"
        )
    return f"is used as `{method.call}`"


def _taken(known, used_by):
    return [name for name, one in known.items() if one.used_by in used_by]


def _unknown(name, known, used_by):
    """Returns the error message, which also suggests similar names of methods
    for other calls."""
    names = _taken(known, used_by)
    given = [n for n, one in known.items() if f'"{n}"' in one.call]
    near = difflib.get_close_matches(str(name), given, n=3, cutoff=0.5)
    return lookup.unknown(name, {*names, *near}, f"method of {used_by[0]}")
