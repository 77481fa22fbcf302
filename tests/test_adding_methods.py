"""A criterion, or a dynamic method, takes one file and one test.

Both are added to a copy of the package. Their names are words that stand in
the docs anyway.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

CRITERION = '''
"""Gradients: the largest are kept."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime.methods import Method


def gradient(objective, weights, masks):
    """Scores a weight by |dL/dW|."""
    found = objective.gradient(apply(masks, weights))
    return {name: tf.abs(found[name]) for name in weights}


METHOD = Method(
    "gradient",
    title="an added criterion",
    call='kprune.prune(model, "gradient", 0.9, data=data)',
    paper="nobody, 2022",
    test="tests/pruning/test_gradient.py::test_gradient",
)
'''
CRITERION_TEST = """
import keras
import kprune

def test_gradient():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    scores = kprune.score(model, "gradient", data=([[1, 3]], [[9]]), loss="mse")
    one, three = scores["dense/kernel"].ravel()
    assert three == 3 * one
"""
UPDATER = '''
"""Masks that drop the largest weights."""

import numpy as np

from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime.methods import Method


class Largest(MaskUpdater):
    """Drops the largest weights."""

    def drop_scores(self, moment):
        return {name: -np.abs(w) for name, w in moment.weights.items()}


METHOD = Method(
    "mask",
    title="an added dynamic method",
    call='kprune.callbacks.DynamicSparseTraining("mask")',
    paper="nobody, 2022",
    test="tests/callbacks/test_largest.py::test_largest",
    build=Largest,
)
'''
UPDATER_TEST = """
from kprune.callbacks.dynamic import get

def test_largest():
    assert type(get("mask", drop_fraction=0.1)).__name__ == "Largest"
"""
# In one process: to import TensorFlow takes seconds.
WATCH = """
import sys, pytest, kprune
from tools import list_methods

sys.argv = ["list_methods.py"]
assert kprune.methods()["gradient"].used_by == "prune"
assert kprune.methods()["mask"].used_by == "DynamicSparseTraining"
try:
    list_methods.app.run(list_methods.main)
except SystemExit as end:
    assert not end.code, end.code
sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.stdin.read().split()]))
"""


def test_one_file_and_one_test_make_a_method(tmp_path):
    for name in ("kprune", "tests", "tools"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    (tmp_path / "docs/methods").mkdir(parents=True)
    for name in ("docs/methods/index.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path, text in {
        "kprune/pruning/criteria/gradient.py": CRITERION,
        "tests/pruning/test_gradient.py": CRITERION_TEST,
        "kprune/callbacks/dynamic/largest.py": UPDATER,
        "tests/callbacks/test_largest.py": UPDATER_TEST,
    }.items():
        (tmp_path / path).write_text(text.lstrip())
    cases = [
        "runtime/test_methods.py",
        "pruning/test_gradient.py",
        "pruning/test_criteria.py::test_the_contract_of_all_criteria[gradient]",
        "callbacks/test_largest.py",
        "callbacks/test_dynamic.py::"
        "test_what_must_hold_after_every_update[mask]",
    ]
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        input="\n".join(f"tests/{case}" for case in cases),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    table = (tmp_path / "docs/methods/index.md").read_text()
    assert '| an added criterion | `kprune.prune(model, "gradient"' in table
    assert "| an added dynamic method |" in table
