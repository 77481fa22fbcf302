"""The table of methods: one entry each, beside the method's code.

A module that makes a method has a `METHOD`, or `METHODS`, a tuple. Nothing
is registered elsewhere: the packages are walked when the table is asked for.
"""

import dataclasses
import difflib
import functools
import importlib
import pkgutil

from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked

_PACKAGES = (
    "pruning",
    "callbacks",
    "learned",
    "tickets",
    "analysis",
    "models",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """A method of the literature, and where it is.

    Args:
        name: The name to call it by: what `call` is given, such as `"snip"`,
            or the function itself.
        title: What the literature calls it. Defaults to the name.
        call: A Python expression that uses it. Defaults to `kprune.prune` with
            a model, the name, 0.9 and data.
        paper: Authors and year.
        link: Address of the paper, or an empty string.
        test: `"tests/FILE.py::NAME"` of the test with a number worked out.
        deviation: Where kprune parts from the paper, or what it leaves open
            and kprune chose; an empty string if there is nothing.
        formula: The score or the rule in LaTeX, or an empty string. `w`, `m`,
            `g` and `H` are weights, mask, gradient and Hessian.
        build: What makes it: a function or class of the method's options. Of
            a criterion, what its `kprune.Pruner` has beside it: a dict, or a
            function of the criterion and further options that returns one,
            under `"pruner"` a subclass.
            By default that is one round, ranked over the whole model.
        allocation: Of a criterion, how groups other than channels are shared
            out, unless that is said.
        channel: Of a criterion, what `granularity="channel"` stands for: a
            dict of arguments of `kprune.Channel`.
        channel_allocation: Of a criterion, how channels are shared out among
            layers, unless that is said. Scores that are no change of the loss
            have no common scale: `"global"` empties layers by it.
        channel_options: Of a criterion, options of its own that it takes
            there.
        channels_only: Whether a criterion scores channels alone, and may
            leave out weights.
        measures_inputs: Whether a criterion is of what weights read. Weights
            of which that is not known stay dense.
    """

    name: str
    title: str = ""
    call: str = ""
    paper: str = ""
    link: str = ""
    test: str = ""
    deviation: str = ""
    formula: str = ""
    build: object = None
    allocation: str = "global"
    channel: dict = dataclasses.field(default_factory=dict)
    channel_allocation: str = "global"
    channel_options: dict = dataclasses.field(default_factory=dict)
    channels_only: bool = False
    measures_inputs: bool = False

    def __post_init__(self):
        call = f'kprune.prune(model, "{self.name}", 0.9, data=data)'
        object.__setattr__(self, "title", self.title or self.name)
        object.__setattr__(self, "call", self.call or call)

    @property
    def used_by(self):
        """The public call that takes it, such as `"prune"`."""
        return self.call.partition("(")[0].rpartition(".")[2]


@checked(used_by=checks.optional(checks.string))
def methods(used_by=None):
    """Returns the methods by name, sorted.

    Args:
        used_by: The call that takes them, such as `"prune"`,
            `"GradualPruning"`, `"DynamicSparseTraining"`, `"select"` or
            `"imp"`. Defaults to all.

    Returns:
        Dict from name to `Method`, the first of each name.

    Example:

    >>> ", ".join(kprune.methods("select"))
    'biprop, edge_popup, supermask'
    """
    found = {}
    for method in entries():
        if used_by in (None, method.used_by):
            found.setdefault(method.name, method)
    return dict(sorted(found.items()))


@functools.cache
def entries():
    """Returns all entries, a tuple: of a name that has several the method
    first, then what it is called with other options."""
    found = []
    for package in _PACKAGES:
        root = importlib.import_module(f"kprune.{package}")
        for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            found += of_module(importlib.import_module(info.name))
    return tuple(found)


def of_module(module):
    """Returns the entries that stand in a module, a list."""
    own = getattr(module, "METHOD", None)
    found = getattr(module, "METHODS", (own,))
    return [method for method in found if isinstance(method, Method)]


def find(name, *used_by):
    """Returns the method of a name that one of some calls takes; the
    `ValueError` says which are near, or which call takes it."""
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
    """Returns the table of all methods in Markdown."""
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
    """Returns the error's text: near are names of other calls, too."""
    names = _taken(known, used_by)
    given = [n for n, one in known.items() if f'"{n}"' in one.call]
    near = difflib.get_close_matches(str(name), given, n=3, cutoff=0.5)
    return lookup.unknown(name, {*names, *near}, f"method of {used_by[0]}")
