"""The table of methods: complete, true of the code, and the docs'."""

import ast
import inspect
import pathlib

import pytest

import kprune
from kprune.callbacks import dynamic
from kprune.runtime import methods

ROOT = pathlib.Path(__file__).parents[2]
ENTRIES = {entry.title: entry for entry in methods.entries()}


def call_of(entry):
    """Returns the function that an entry calls, and its string arguments."""
    call = ast.parse(entry.call, mode="eval").body
    assert isinstance(call, ast.Call), entry.call
    found = kprune
    for part in ast.unparse(call.func).split(".")[1:]:
        found = getattr(found, part)
    keywords = {k.arg: k.value for k in call.keywords}
    inspect.signature(found).bind(*call.args, **keywords)
    values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    return found, [*values, *keywords]


@pytest.mark.parametrize("title", ENTRIES)
def test_an_entry_is_of_code_that_there_is(title):
    entry = ENTRIES[title]
    function, given = call_of(entry)
    assert callable(function)
    assert entry.name in given or entry.name == entry.used_by
    path, _, test = entry.test.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    tests = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert test in tests
    cells = (title, entry.call, entry.paper, entry.link, entry.deviation)
    assert entry.paper and "|" not in "".join(cells)


def test_titles_are_told_apart_and_a_name_is_of_one_call():
    assert len(ENTRIES) == len(methods.entries())
    names = {(entry.name, entry.used_by) for entry in methods.entries()}
    assert len(names) == len(kprune.methods())


def test_what_a_call_takes_by_name_is_built():
    for call, make in {
        "prune": kprune.recipes.get,
        "GradualPruning": kprune.recipes.gradual,
        "DynamicSparseTraining": dynamic.get,
    }.items():
        assert all(make(name) is not None for name in kprune.methods(call))
    for method in kprune.methods("select").values():
        assert callable(method.build)


def subclasses(kind):
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def test_every_criterion_and_every_updater_has_an_entry():
    assert set(kprune.criteria.names()) <= set(kprune.methods("prune"))
    methods.entries()  # Imports all.
    updaters = {
        kind
        for kind in subclasses(dynamic.MaskUpdater)
        if kind.__module__.startswith("kprune.") and kind.__name__[0] != "_"
    }
    built = {m.build for m in kprune.methods("DynamicSparseTraining").values()}
    assert built == updaters


def test_methods_are_sorted_and_chosen_by_call():
    assert list(kprune.methods()) == sorted(kprune.methods())
    assert "GreedyPrune" not in kprune.methods()
    assert set(kprune.methods("GradualPruning")) == {"asni", "gmp"}
    assert kprune.methods("imp")["imp"].link.endswith("1803.03635")
    assert kprune.methods("snip") == {}
    # The first entry of a name is the method.
    titles = [e.title for e in methods.entries() if e.name == "snip"]
    assert titles == ["SNIP", "SNIP-MB"]
    assert kprune.methods()["snip"].title == "SNIP"


@pytest.mark.parametrize(
    ("name", "calls", "message"),
    [
        ("rigl", ["prune"], 'during training.*DynamicSparseTraining."rigl"'),
        ("gmp", ["prune"], 'during training.*GradualPruning."gmp"'),
        ("supermask", ["prune"], 'used as `kprune.select.model, "supermask"'),
        (
            "snip",
            ["DynamicSparseTraining"],
            "`kprune.prune.*: acdc, cht, deepr",
        ),
        ("rgil", ["prune"], "Did you mean 'rigl'.*force"),
        ("snpi", ["GradualPruning", "prune"], "Did you mean 'snip'.*asni"),
        (None, ["select"], "Unknown method of select: None.*biprop"),
    ],
)
def test_errors_read_the_table(name, calls, message):
    with pytest.raises(ValueError, match=message):
        methods.find(name, *calls)


def test_the_docs_have_this_table():
    text = (ROOT / "docs/methods/index.md").read_text()
    assert methods.table() in text, "Run tools/list_methods.py."
