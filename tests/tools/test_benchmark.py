"""The binary `tools/benchmark.py` and what it measures with, in the small."""

import importlib
import json

import keras
import numpy as np
import pytest

SMALL = ("--networks=lenet_300_100", "--batch_size=8", "--repeats=2")


@pytest.fixture
def module(monkeypatch):
    """Returns a function that imports a module of `tools/`."""
    monkeypatch.syspath_prepend("tools")
    return importlib.import_module


def lines(out):
    """Returns the table's lines as lists of cells."""
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[1:]]


def test_rows_are_found_by_name_and_timed(binary, capsys):
    rows = "snip,force,synflow,synflow_round,prospr"
    binary("benchmark", *SMALL, f"--rows={rows}", "--nomemory")
    found = lines(capsys.readouterr().out)
    assert [row[0].split(" /")[0] for row in found] == [
        "snip scores",
        "FORCE T = 60, all",
        "SynFlow T = 100, all",
        "SynFlow, a round of 100",
        "ProsPr M = 3",
        "ProsPr M = 3, unrolled",
        "ProsPr M = 16",
    ]
    assert [row[3] for row in found][1] == "<= 66"
    assert all(float(row[1].removesuffix(" x")) > 0 for row in found)
    assert not any("GB" in row[4] for row in found)


def test_nothing_is_traced_after_the_first_round(binary, capsys):
    binary("benchmark", *SMALL, "--rows=traces")
    force, synflow = lines(capsys.readouterr().out)
    assert force[0].startswith("traced after round 1 of 60, force")
    assert synflow[0].startswith("traced after round 1 of 100, synflow")
    for row in (force, synflow):
        assert row[1] == "0.00 times"
        assert int(row[4].removeprefix("in round 1: ")) > 0


def test_the_memory_of_one_scoring(binary, capsys):
    binary("benchmark", *SMALL, "--memory_of=prospr_3")
    before, most = json.loads(capsys.readouterr().out)
    # 266,200 weights and as many gradients, 4 bytes each, are the least.
    assert most > 2 * 4 * 266_200
    assert before <= most


def test_an_unknown_row_is_answered(binary):
    with pytest.raises(Exception, match=r"Unknown rows \['snipp'\]"):
        binary("benchmark", *SMALL, "--rows=snipp")


def test_the_other_is_timed_before_between_and_after(module):
    figures = module("figures")
    calls = []
    times, base = figures.alternate(
        lambda: calls.append("one"), lambda: calls.append("other"), 2, turns=2
    )
    assert (
        calls
        == ["other"] * 2 + ["one"] + ["other"] * 2 + ["one"] + ["other"] * 2
    )
    assert times.shape == base.shape == (2,)


def test_a_figure_has_the_median_and_the_middle_half(module):
    # Of 0 to 4, the quartiles are 1 and 3.
    line = module("figures").figure("what", np.arange(5.0), "<= 3").line()
    assert line == "| what | 2.00 x | 1.00 to 3.00 | <= 3 |  |"


def test_the_counter_of_traces_counts(module):
    scorings = module("scorings")
    layer = scorings.TracedCalls()
    before = layer.count
    layer(np.ones((1, 2)))
    assert scorings.TracedCalls.count == before
    model = keras.Sequential([keras.layers.Input((2,)), layer])
    before = layer.count
    for size in (1, 2):
        model.predict(np.ones((size, 2)), verbose=0)
    assert scorings.TracedCalls.count > before
