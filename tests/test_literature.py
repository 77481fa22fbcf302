"""The table of methods is that of the code."""

import ast
import inspect
import pathlib

import pytest

import kprune
from kprune import literature
from kprune.callbacks import dynamic
from kprune.pruning import recipes

ROOT = pathlib.Path(__file__).parents[1]
ROWS = {row.name: row for row in literature.ROWS}


def call_of(row):
    """Returns the function that a row calls, and its string arguments."""
    call = ast.parse(row.call, mode="eval").body
    assert isinstance(call, ast.Call), row.call
    name, found = ast.unparse(call.func), kprune
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    keywords = {k.arg: k.value for k in call.keywords}
    inspect.signature(found).bind(*call.args, **keywords)
    values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    return name, found, [v for v in values if isinstance(v, str)]


def test_names_are_told_apart():
    assert len(ROWS) == len(literature.ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_of_code_that_there_is(name):
    row = ROWS[name]
    called, function, strings = call_of(row)
    assert callable(function)
    if called == "kprune.prune":
        assert strings[0] in kprune.methods()
    if called == "kprune.callbacks.GradualPruning":
        assert strings[0] in recipes.gradual_methods()
    if called == "kprune.callbacks.DynamicSparseTraining":
        assert strings[0] in dynamic.METHODS
    path, _, test = row.test.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    tests = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert test in tests
    assert row.paper and "|" not in "".join(vars(row).values())


def test_every_method_has_a_row():
    told = {
        word
        for row in literature.ROWS
        for word in [
            *call_of(row)[2],
            *row.deviation.replace("`", " ` ").split(),
        ]
    }
    names = {
        *kprune.methods(),
        *recipes.gradual_methods(),
        *dynamic.METHODS,
    }
    assert names <= told, names - told


def test_the_docs_have_this_table():
    text = (ROOT / "docs/methods.md").read_text()
    assert literature.table() in text, "Run tools/list_methods.py."
