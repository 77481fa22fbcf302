"""ONNX and OpenVINO files compute what the model does, zeros and all."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from exportable import MODELS, batch
from keras import layers
from lifecycle import unchanged
from networks import sequential

import kprune
from kprune.deploy import runtimes
from kprune.runtime import extras


def needs(*names):
    """Skips what follows where an extra is not installed."""
    found = [pytest.importorskip(name, reason="an extra") for name in names]
    return found[0]


def need(path):
    needs("onnx", "tf2onnx")
    needs("openvino" if str(path).endswith(".xml") else "onnxruntime")


def pruned(name, **options):
    model = kprune.prune(MODELS[name](), "magnitude", 0.5, **options)
    return model


def assert_computes(path, model, size, tolerance=1e-4):
    x = batch(model, size)
    runner = runtimes.open(path)
    found = runner(keras.tree.flatten(x))
    expected = keras.tree.flatten(model(x, training=False))
    for one, other in zip(found, expected, strict=True):
        allowed = tolerance * np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=0, atol=allowed)
    return runner


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ending", [".onnx", ".xml"])
def test_a_file_computes_what_the_model_does(name, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    need(path)
    model = pruned(name)
    with unchanged(model):
        found = kprune.export(model, path)
    assert found.error < 1e-5
    # A batch of any size, and other inputs than those it was proved on.
    for size in (1, 7):
        runner = assert_computes(path, model, size)
    given = model.inputs
    assert [tuple(x.shape) for x in given] == [x[1] for x in runner.inputs]
    assert [str(x.dtype) for x in given] == [x[2] for x in runner.inputs]
    unrolled = ending == ".xml" and name == "gru"
    assert unrolled == ("unrolled" in " ".join(found.notes))


def test_names_of_inputs_and_outputs(tmp_path):
    need("model.onnx")
    outputs = [layers.Dense(2) for _ in range(11)]
    x = keras.Input((3,), name="pixels")
    model = keras.Model(x, [layer(x) for layer in outputs])
    kprune.export(model, tmp_path / "model.onnx")
    onnx = needs("onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    assert [x.name for x in graph.input] == ["pixels"]
    # By number, not by the alphabet.
    names = [f"output_{i}" for i in range(11)]
    assert [x.name for x in graph.output] == names
    assert_computes(tmp_path / "model.onnx", model, 2)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("quantize", ["dynamic_int8", "int8"])
def test_quantized_zeros_stay_zeros(name, quantize, tmp_path):
    need("model.onnx")
    onnx, path = needs("onnx"), tmp_path / "model.onnx"
    model = pruned(name)
    data = {}
    if quantize == "int8":
        data = {"representative_data": batch(model, 64)}
    found = kprune.export(model, path, quantize=quantize, **data)
    assert found.error < 0.1
    constants = {
        x.name: onnx.numpy_helper.to_array(x)
        for x in onnx.load(path).graph.initializer
    }
    rows = {row.weight for row in found.rows if row.stored == "int8"}
    kernels = [
        w.variable
        for w in kprune.masking.weights.find(kprune.strip(model))
        if w.name in rows
    ]
    sizes = [np.prod(kernel.shape) for kernel in kernels]
    integers = [
        np.count_nonzero(values != constants[f"{key[:-10]}_zero_point"].max())
        for key, values in constants.items()
        if key.endswith("_quantized") and values.size in sizes
    ]
    # No zero became another number. Small ones may become zero.
    assert len(integers) == len(kernels) > 0
    assert sum(integers) <= sum(map(np.count_nonzero, kernels))
    for key, values in constants.items():
        if key.endswith("_quantized") and values.size in sizes:
            if values.dtype == np.uint8:  # An embedding.
                continue
            assert not constants[f"{key[:-10]}_zero_point"].any()
            assert np.abs(values.astype(int)).max() <= 64  # Seven bits.


def test_what_is_quantized_and_what_is_not_is_said(tmp_path):
    need("model.onnx")
    model = pruned("lstm")
    path = tmp_path / "model.onnx"
    x = batch(model, 8)
    found = kprune.export(
        model, path, quantize="int8", representative_data=x, tolerance=0.1
    )
    *recurrent, dense = found.rows
    assert dense.stored == "int8"
    assert [row.stored for row in recurrent] == 4 * ["dense"]
    assert all("no int8" in row.why for row in recurrent)
    dynamic = kprune.export(model, path, quantize="dynamic_int8")
    assert {row.stored for row in dynamic.rows} == {"int8"}


def test_openvino_keeps_float32(tmp_path):
    need("model.xml")
    model = sequential((64,), layers.Dense(64, name="fc"))
    found = kprune.export(model, tmp_path / "model.xml")
    size = (tmp_path / "model.bin").stat().st_size
    assert size >= 4 * 64 * 64
    assert found.bytes == size + (tmp_path / "model.xml").stat().st_size


@pytest.mark.parametrize("granularity", ["2:4", kprune.Block((4, 1))])
def test_patterns_of_masks_reach_the_file(granularity, tmp_path):
    need("model.onnx")
    onnx = needs("onnx")
    model = sequential((16,), layers.Dense(8, name="fc"), seed=0)
    options = {} if granularity == "2:4" else {"sparsity": 0.5}
    model = kprune.prune(model, granularity=granularity, **options)
    mask = kprune.get_masks(model)["fc/kernel"]
    found = kprune.export(model, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    (kernel,) = [
        array
        for array in map(onnx.numpy_helper.to_array, graph.initializer)
        if array.shape == mask.shape
    ]
    np.testing.assert_array_equal(kernel != 0, mask)
    assert "no speed" in found.rows[0].why


@keras.saving.register_keras_serializable("tests")
class Inverse(layers.Layer):
    def call(self, x):
        return tf.linalg.inv(x + 4 * tf.eye(4))


def stateful():
    inputs = keras.Input(batch_shape=(2, 5, 4))
    return keras.Sequential([inputs, layers.GRU(3, stateful=True)])


REFUSED = {
    "an operator": (
        lambda: sequential((4, 4), Inverse(), layers.Dense(2)),
        "no operator for MatrixInverse",
    ),
    "a state": (stateful, "stateful.*export a SavedModel"),
    "strings": (
        lambda: keras.Sequential(
            [
                keras.Input((), dtype="string"),
                layers.TextVectorization(vocabulary=["a", "b"]),
                layers.Embedding(4, 3),
            ]
        ),
        "takes strings",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("ending", [".onnx", ".xml"])
def test_a_model_that_cannot_be_converted(name, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    need(path)
    path.write_text("keep me")
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        kprune.export(make(), path)
    assert path.read_text() == "keep me"
    assert [x.name for x in tmp_path.iterdir()] == [path.name]


def test_a_loop_that_cannot_be_unrolled(tmp_path):
    need("model.xml")
    model = sequential((None, 4), layers.GRU(5), layers.Dense(2))
    with pytest.raises(ValueError, match=r"OpenVINO: .*Loop"):
        kprune.export(model, tmp_path / "model.xml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".onnx", ".xml"])
@pytest.mark.parametrize("damage", [b"no model", b"", None])
def test_a_file_that_is_none(ending, damage, tmp_path):
    path = tmp_path / f"model{ending}"
    need(path)
    kprune.export(MODELS["mlp"](), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    runtime = "ONNX Runtime" if ending == ".onnx" else "OpenVINO"
    with pytest.raises(ValueError, match=f"{runtime} .*cannot read .*model"):
        runtimes.open(path)


@pytest.mark.parametrize("name", extras.EXTRAS)
def test_what_is_not_installed_is_named(name, monkeypatch):
    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", refuse)
    extra = extras.EXTRAS[name]
    line = rf'To run a file needs {name}.*pip install "kprune\[{extra}\]"'
    with pytest.raises(ValueError, match=line):
        extras.load(name, "To run a file")
