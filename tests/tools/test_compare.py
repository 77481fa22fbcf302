"""The binary `tools/compare.py`, and the smaller models that
`tools/benchmark.py` measures."""

import importlib
import json

import keras
import numpy as np
import pytest

import kprune

FEW = ("--batch_size=4", "--repeats=2")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two files: a network of 64 x 8 + 8 x 10 weights, and one of half."""
    folder = tmp_path_factory.mktemp("models")
    for units in (8, 4):
        model = kprune.models.fc((units,), input_shape=(8, 8, 1), seed=0)
        model.save(folder / f"{units}.keras")
    return folder


def flags_of(folder, *more):
    return (f"--before={folder}/8.keras", f"--after={folder}/4.keras", *more)


def test_it_prints_the_table(binary, saved, capsys):
    binary("compare", *flags_of(saved, *FEW))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "What",
        "Before",
        "After",
        "Ratio",
        "Middle",
        "half",
    ]
    # 64 u + u + 10 u + 10, and 74 u.
    assert lines[3].split() == ["Parameters", "610", "310", "1.97", "x"]
    assert lines[4].split()[-4:] == ["592", "296", "2.00", "x"]
    assert lines[-4].startswith("Training step, batch 4, ms")
    assert lines[-1].startswith("Those of times are medians of 2")


def test_json_has_all_digits(binary, saved, capsys):
    binary("compare", *flags_of(saved, *FEW, "--json", "--data=digits"))
    found = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["parameters"]["ratio"] == 610 / 310
    assert rows["inference, batch 4"]["before"] > 0


def test_an_open_input_shape_needs_data(binary, tmp_path, capsys):
    inputs = keras.Input((None, 2), name="sequence")
    outputs = keras.layers.Dense(3, name="fc")(inputs)
    keras.Model(inputs, outputs, name="open").save(tmp_path / "open.keras")
    path = tmp_path / "open.keras"
    models = (f"--before={path}", f"--after={path}")
    with pytest.raises(SystemExit, match="of open shape"):
        binary("compare", *models)
    np.savez(tmp_path / "d.npz", x=np.ones((6, 5, 2), "float32"), y=np.ones(6))
    binary("compare", *models, *FEW, f"--npz={tmp_path / 'd.npz'}")
    # 2 x 3 at each of 5 steps.
    out = capsys.readouterr().out
    assert out.splitlines()[4].split()[3:6] == ["30", "30", "1.00"]


def test_other_inputs_are_answered(binary, saved, tmp_path):
    kprune.models.fc((8,), input_shape=(5,)).save(tmp_path / "five.keras")
    with pytest.raises(SystemExit, match="two models that take the same"):
        binary(
            "compare",
            f"--before={saved}/8.keras",
            f"--after={tmp_path / 'five.keras'}",
        )
    with pytest.raises(SystemExit, match="There is no such file"):
        binary("compare", f"--before={saved}/9.keras", f"--after={saved}")


# The rows `shrink` and `compact` of benchmark.py


def cells(out):
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[1:]]


def test_the_row_of_shrunk_networks(binary, capsys):
    binary(
        "benchmark",
        "--rows=shrink",
        "--shrunk_networks=lenet_300_100",
        "--repeats=2",
    )
    found = {row[0]: row for row in cells(capsys.readouterr().out)}
    # 784 x 300 + 300 x 100 + 100 x 10 and the biases; 150 and 50 are left.
    row = found["shrink, lenet_300_100: parameters"]
    assert row[1:] == [
        "2.12 x",
        "2.12 to 2.12",
        "reported",
        "266,610 to 125,810",
    ]
    assert list(found)[4:7] == [
        "shrink, lenet_300_100: inference, batch 1",
        "shrink, lenet_300_100: inference, batch 32",
        "shrink, lenet_300_100: training step, batch 32",
    ]
    assert all(float(row[1].removesuffix(" x")) > 0 for row in found.values())


def test_what_snip_cuts_off(monkeypatch):
    monkeypatch.syspath_prepend("tools")
    dense, small = importlib.import_module("removals").compacted()
    assert dense.count_params() == 266_610
    # All 784 pixels go in, and 5 % of the weights are the least that stays.
    assert small.input_shape == dense.input_shape
    assert 13_310 < small.count_params() < 266_610 / 2


def test_lite_computes_as_the_model_does(monkeypatch):
    pytest.importorskip("tensorflow.lite")
    monkeypatch.syspath_prepend("tools")
    removals = importlib.import_module("removals")
    model = kprune.models.fc((4,), input_shape=(8, 8, 1), seed=0)
    run = removals.lite(model)
    interpreter = run.__self__
    (given,) = interpreter.get_input_details()
    (taken,) = interpreter.get_output_details()
    run()
    x = interpreter.get_tensor(given["index"])
    assert x.shape == (1, 8, 8, 1)
    np.testing.assert_allclose(
        interpreter.get_tensor(taken["index"]), model(x), rtol=1e-4, atol=1e-5
    )
