"""`kprune compress`."""

import json

import keras
import numpy as np
import pytest

from kprune.cli import compress

FEW = "compress --target=sparsity:0.5 --step=0.5 --nodistill --json"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    network.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.save(path)
    return path


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 3, 40))
    return tmp_path / "data.npz"


def test_a_file_in_and_a_file_out(command, model, data, tmp_path, capsys):
    out = tmp_path / "small.keras"
    command(FEW, model, npz=data, out=out, workdir=tmp_path / "work")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["met"]
    assert found["selected_on"] == "4 examples of `validation`"
    assert [one["chosen"] for one in found["candidates"]] == [False, True]
    kernel = keras.models.load_model(out).weights[0].numpy()
    assert np.count_nonzero(kernel) == 6
    assert (tmp_path / "work/candidates.json").exists()


def test_bad_flags_are_answered(refusal, model, data, tmp_path):
    given = {"npz": data, "out": tmp_path / "small.keras"}
    assert "Expected --out" in refusal(FEW.split()[0], model, npz=data)
    said = refusal("compress", model, **given, target="flops")
    assert "--target=KIND:NUMBER" in said
    said = refusal("compress", model, **given, target="flops:2")
    assert "target['flops']" in said
    said = refusal("compress", model, **given, validation=0)
    assert "--validation" in said
    said = refusal("compress", model, out=given["out"], target="flops:0.5")
    assert "Expected --data=NAME or --npz=FILE" in said


def test_what_is_held_out_is_held_out_once():
    x = np.arange(10)
    (train, _), (held, y) = compress.held_out(x, x, 0.3)
    assert len(held) == 3
    assert sorted([*train, *held]) == list(range(10))
    np.testing.assert_array_equal(held, y)


def test_targets_of_flags():
    assert compress.target("flops:0.5", None) == {"flops": 0.5}
    found = compress.target("latency:0.5", "onnx")
    assert found == {"latency": 0.5, "runtime": "onnx"}
    assert compress.target("bytes:0.2", "litert")["format"] == "litert"
