"""What docstrings and the README show runs as written; `test_pages.py` has the
pages."""

import doctest
import importlib
import pathlib
import pkgutil
import re
import warnings

import keras
import pytest

import kprune
from kprune.models import conv

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(kprune.__path__, "kprune.")
)

# What these print is of the sizes that Conv-2 has.
WHOLE = ("linear_connectivity", "training_flops")


def examples():
    found = []
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in MODULES:
        module = importlib.import_module(name)
        for test in finder.find(module, name, module=module):
            if test.examples:
                found.append(pytest.param(test, id=test.name))
    return found


@pytest.mark.parametrize("test", examples())
def test_docstring_example(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test.globs.update(keras=keras, kprune=kprune)
    shown = "".join(example.source for example in test.examples)
    if "train" in shown:
        # As many steps as with batches of 32, of fewer images each.
        train, _ = kprune.datasets.load("digits", batch_size=4)
        test.globs["train"] = train.take(45)
    if "model" in shown:
        with monkeypatch.context() as patch:
            if not test.name.endswith(WHOLE):  # An eighth of the filters.
                patch.setattr(conv, "_PAIRS", (8, 16, 32))
            test.globs["model"] = kprune.models.conv2(
                input_shape=(8, 8, 1), seed=0
            )
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = doctest.DocTestRunner(optionflags=flags).run(
            test, out=report.append
        )
    assert result.failed == 0, "".join(report)


def test_the_readme_example_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    report = kprune.report(scope["model"])
    assert report.sparsity == 0.9
    _, accuracy = scope["model"].evaluate(scope["test"], verbose=0)
    assert accuracy > 0.9
    assert (tmp_path / "runs/digits_savedmodel/saved_model.pb").exists()


def test_the_readme_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 900


def test_a_page_lists_what_there_is():
    text = (ROOT / "docs/start/what_is_there.md").read_text()
    names = [
        *kprune.allocation.names(),
        *kprune.schedules.names(),
        *kprune.granularity.names(),
    ]
    assert [name for name in names if name not in text] == []
