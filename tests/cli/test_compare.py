"""`kprune compare`."""

import json

import keras
import numpy as np
import pytest

import kprune

FEW = "compare --batch_size=4 --repeats=2"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Files of a network of 64 x 8 + 8 x 10 weights, and one of half."""
    folder = tmp_path_factory.mktemp("models")
    for units in (8, 4):
        model = kprune.models.fc((units,), input_shape=(8, 8, 1), seed=0)
        model.save(folder / f"{units}.keras")
    return {"before": folder / "8.keras", "after": folder / "4.keras"}


def test_it_prints_the_table(command, both, capsys):
    command(FEW, **both)
    lines = capsys.readouterr().out.splitlines()
    head = ["What", "Before", "After", "Ratio", "Middle", "half"]
    (place,) = [i for i, line in enumerate(lines) if line.split() == head]
    # 64 u + u + 10 u + 10, and 74 u.
    rows = [line.split() for line in lines[place + 2 :]]
    assert rows[0] == ["Parameters", "610", "310", "1.97", "x"]
    assert rows[1][-4:] == ["592", "296", "2.00", "x"]
    assert any(line.startswith("Training step, batch 4") for line in lines)
    assert lines[-1].startswith("Those of times are medians of 2")


def test_json_has_all_digits(command, both, capsys):
    command(f"{FEW} --json --data=digits", **both)
    found = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["parameters"]["ratio"] == 610 / 310
    assert rows["inference, batch 4"]["before"] > 0


def test_an_open_input_shape_needs_data(command, refusal, tmp_path, capsys):
    inputs = keras.Input((None, 2), name="sequence")
    outputs = keras.layers.Dense(3, name="fc")(inputs)
    path = tmp_path / "open.keras"
    keras.Model(inputs, outputs, name="open").save(path)
    models = {"before": path, "after": path}
    assert "of open shape" in refusal("compare", **models)
    np.savez(tmp_path / "d.npz", x=np.ones((6, 5, 2), "float32"), y=np.ones(6))
    command(FEW, **models, npz=tmp_path / "d.npz")
    # 2 x 3 at each of 5 steps.
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert any(row[3:6] == ["30", "30", "1.00"] for row in rows)


def test_other_inputs_are_answered(refusal, both, tmp_path):
    five = tmp_path / "five.keras"
    kprune.models.fc((8,), input_shape=(5,)).save(five)
    said = refusal("compare", before=both["before"], after=five)
    assert "two models that take the same" in said
    said = refusal("compare", before=five, after=tmp_path / "none.keras")
    assert "There is no such file" in said


def test_files_stand_alone_and_a_page_is_written(
    command, refusal, both, tmp_path, capsys
):
    lite, page = tmp_path / "small.tflite", tmp_path / "page.html"
    kprune.export(keras.models.load_model(both["after"]), lite)
    command(FEW, both["before"], lite, data="digits", save=page)
    out = capsys.readouterr().out
    assert 'Before: "8.keras". After: "small.tflite".' in out
    assert any(line.startswith("Agreement  ") for line in out.splitlines())
    assert "<title>8.keras and small.tflite</title>" in page.read_text()
    said = refusal("compare", both["before"])
    assert "Error: Expected --after=NAME.keras" in said
    said = refusal("compare", both["before"], lite, "more")
    assert "Unexpected argument: 'more'" in said
