"""`kprune.export` by format: what it writes, and what it refuses."""

import json
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import normal, two_layers, unchanged
from networks import sequential

import kprune
from kprune.deploy import runtimes
from kprune.deploy.exporting import formats, inputs, proof
from kprune.deploy.runtimes import litert
from kprune.masking import made_up
from kprune.runtime import files

FILES = ("m.keras", "m.kpz", "m.tflite")


def pruned(model=None, sparsity=0.5, **options):
    return kprune.prune(model or two_layers(), "magnitude", sparsity, **options)


def wide(**options):
    """A model whose weights are worth being left out."""
    model = sequential(
        (64,), layers.Dense(96, activation="relu"), layers.Dense(40), seed=0
    )
    return pruned(model, 0.97, allocation="uniform", **options)


def conv():
    flat = layers.Flatten()
    return sequential((8, 8, 3), layers.Conv2D(9, 3), flat, layers.Dense(5))


# Every format.


@pytest.mark.parametrize("name", ["served", *FILES])
def test_a_file_gives_the_models_outputs_in_its_own_runtime(name, tmp_path):
    model, x = pruned(conv()), normal(3, 8, 8, 3)
    with unchanged(model):
        found = kprune.export(model, tmp_path / name)
    (y,) = runtimes.open(tmp_path / name)([x])
    np.testing.assert_allclose(y, model(x), atol=1e-5)
    assert found.error <= found.tolerance == 1e-4
    assert [row.weight for row in found.rows] == list(kprune.get_masks(model))
    zeros = {name: 1 - m.mean() for name, m in kprune.get_masks(model).items()}
    assert {r.weight: r.zeros for r in found.rows} == pytest.approx(zeros)
    assert found.gzipped > 0 and found.format in str(found)
    json.dumps(found.to_dict())
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["served", *FILES])
def test_several_inputs_and_outputs_keep_their_order(name, tmp_path):
    a, b = keras.Input((4,), name="z"), keras.Input((6,), name="a")
    outputs = layers.Dense(3)(a), layers.Dense(2)(layers.Concatenate()([a, b]))
    model = pruned(keras.Model([a, b], outputs))
    kprune.export(model, tmp_path / name)
    x = [normal(3, 4), normal(3, 6)]
    runner = runtimes.open(tmp_path / name)
    assert [shape for _, shape, _ in runner.inputs] == [(None, 4), (None, 6)]
    for one, other in zip(runner(x), model(x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_saved_model_holds_each_variable_once(tmp_path):
    model = wide()
    found = kprune.export(model, tmp_path / "served")
    weights = sum(w.nbytes for w in kprune.strip(model).get_weights())
    held = tmp_path / "served" / "variables"
    stored = sum(p.stat().st_size for p in held.glob("*.data*"))
    assert weights < stored < 1.1 * weights
    assert found.bytes > stored  # The graph and the index belong to it.


def test_the_signature_of_a_saved_model_is_for_tensorflow_serving(tmp_path):
    kprune.export(pruned(), tmp_path / "served")
    loaded = tf.saved_model.load(tmp_path / "served")
    serve = loaded.signatures["serving_default"]
    (spec,) = serve.structured_input_signature[1].values()
    assert spec.shape == (None, 4)
    (name,) = serve.structured_outputs
    y = serve(**{spec.name: tf.constant(normal(2, 4))})[name]
    np.testing.assert_allclose(y, loaded.serve(normal(2, 4)), atol=1e-6)


def test_a_model_that_is_cut_off_is_exported_and_said_so(tmp_path):
    model = sequential((4,), layers.Dense(3), layers.Dense(2))
    model.layers[0].kernel.assign(np.zeros((4, 3)))
    for name in ("served", *FILES):
        found = kprune.export(model, tmp_path / name)
        assert "outputs do not depend on its inputs" in found.notes[-1]


def test_a_keras_file_is_deflated_and_stock_keras_loads_it(tmp_path):
    model = wide()
    kprune.strip(model).save(tmp_path / "plain.keras")
    found = kprune.export(model, tmp_path / "m.keras")
    assert found.bytes < 0.4 * (tmp_path / "plain.keras").stat().st_size
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert not loaded.compiled
    for one, other in zip(
        loaded.get_weights(), kprune.strip(model).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


# Quantized.


@pytest.mark.parametrize("name", ["served", "m.keras"])
def test_keras_quantizes_dense_layers_and_zeros_stay(name, tmp_path):
    model = pruned(conv())
    with unchanged(model):
        found = kprune.export(model, tmp_path / name, quantize="int8")
    assert 1e-4 < found.error < found.tolerance
    assert any("Left in float32" in note for note in found.notes)
    zeros = {n: 1 - m.mean() for n, m in kprune.get_masks(model).items()}
    assert all(r.zeros >= zeros[r.weight] - 1e-9 for r in found.rows)


@pytest.mark.parametrize("how", formats.FORMATS["litert"].quantize)
def test_litert_quantizes_and_zeros_stay(how, tmp_path):
    model = wide()
    options = {"representative_data": normal(40, 64)} if how == "int8" else {}
    whole = {"compact": False}
    path = tmp_path / "m.tflite"
    dense = kprune.export(model, path, sparse=False, **whole)
    found = kprune.export(model, path, quantize=how, **whole, **options)
    assert found.error < 0.05
    assert found.bytes < 0.6 * dense.bytes
    zeros = {n: 1 - m.mean() for n, m in kprune.get_masks(model).items()}
    assert {r.weight for r in found.rows} == set(zeros)
    assert all(r.zeros >= zeros[r.weight] - 1e-9 for r in found.rows)


@pytest.mark.parametrize("how", ["dynamic_int8", "int8"])
def test_sparse_int8_is_refused_with_a_way_out(how, tmp_path):
    with pytest.raises(ValueError, match="Leave `sparse` out"):
        kprune.export(wide(), tmp_path / "m.tflite", quantize=how, sparse=True)


@pytest.mark.parametrize(
    "data",
    [
        normal(9, 64),
        [normal(9, 64)],
        (normal(9, 64), np.zeros(9)),
        tf.data.Dataset.from_tensor_slices(normal(9, 64)).batch(4),
        tf.data.Dataset.from_tensors((normal(9, 64), np.zeros(9))),
    ],
)
def test_representative_data_come_in_many_forms(data, tmp_path):
    read = [x for (x,) in inputs.representative(data, 7)]
    np.testing.assert_array_equal(np.concatenate(read), normal(9, 64)[:7])
    kprune.export(
        wide(),
        tmp_path / "m.tflite",
        quantize="int8",
        representative_data=data,
    )


def test_representative_words_alone_are_refused(tmp_path):
    words = tf.data.Dataset.from_tensor_slices(["a", "b"])
    with pytest.raises(ValueError, match="representative_data"):
        kprune.export(wide(), tmp_path / "m.tflite", representative_data=words)


@pytest.mark.parametrize("name", ["m.keras", "m.tflite"])
def test_any_file_is_proved_on_the_inputs_given(name, tmp_path, monkeypatch):
    seen, check = [], proof.check

    def noted(path, format, x, *rest):
        seen.extend(x)
        return check(path, format, x, *rest)

    monkeypatch.setattr(proof, "check", noted)
    data = normal(9, 64)
    kprune.export(wide(), tmp_path / name, representative_data=data)
    np.testing.assert_array_equal(seen, [data[:4]])


@keras.saving.register_keras_serializable("tests")
class FakeQuantized(layers.Layer):
    """What Keras has for training with quantization in mind: an operation."""

    def call(self, x):
        return keras.quantizers.fake_quant_with_min_max_vars(x, -6.0, 6.0)


def test_pruning_while_training_goes_with_fake_quantization(tmp_path):
    model = sequential(
        (8,),
        FakeQuantized(),
        layers.Dense(16),
        FakeQuantized(),
        layers.Dense(3),
    )
    model = kprune.wrap(model)
    model.compile("adam", "mse")
    x = normal(64, 8)
    gradual = kprune.callbacks.GradualPruning("gmp", 0.75, begin=0, end=4)
    model.fit(x, normal(64, 3), epochs=4, verbose=0, callbacks=[gradual])
    assert kprune.report(model, multiply_adds=False).sparsity == 0.75
    options = {"quantize": "int8", "representative_data": x}
    found = kprune.export(model, tmp_path / "m.tflite", **options)
    assert {row.stored for row in found.rows} == {"dense int8"}


# What LiteRT alone has to be told.


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU])
def test_a_recurrent_model_has_a_batch_of_one(layer, tmp_path):
    model = sequential(
        (5, 6), layer(8, return_sequences=True), layer(7), layers.Dense(3)
    )
    found = kprune.export(pruned(model), tmp_path / "m.tflite")
    assert "batch is fixed at 1" in " ".join(found.notes)
    assert runtimes.open(tmp_path / "m.tflite").inputs[0][1] == (1, 5, 6)


def test_attention_and_exact_gelu(tmp_path):
    i = keras.Input((6,), dtype="int32")
    h = layers.Embedding(9, 8)(i)
    h = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(h, h) + h)
    h = layers.Dense(16, activation="gelu")(h)
    model = pruned(keras.Model(i, layers.Dense(3)(h)))
    assert kprune.export(model, tmp_path / "m.tflite").error < 1e-5


# What is refused: in a sentence, and nothing is written.


class Unknown(layers.Layer):
    """Not registered, and of an operation that no converter has."""

    def call(self, x):
        return tf.numpy_function(lambda a: a, [x], tf.float32, stateful=False)

    def compute_output_shape(self, shape):
        return shape


def of_strings():
    i = keras.Input((1,), dtype="string")
    words = layers.StringLookup(vocabulary=["a", "b"])(i)
    return keras.Model(i, layers.Dense(2)(layers.Embedding(3, 4)(words)))


def unknown():
    return sequential((4,), layers.Dense(3), Unknown())


@pytest.mark.parametrize(
    "build, name, message",
    [
        (of_strings, "m.tflite", "takes strings"),
        (unknown, "m.tflite", "converter cannot convert model"),
        (unknown, "m.keras", "m.keras"),
        (two_layers, "m.h5", "Cannot tell the format"),
        (two_layers, "new", None),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(
    build, name, message, tmp_path, monkeypatch
):
    if message is None:
        monkeypatch.setattr(made_up, "difference", lambda *_, **__: np.nan)
        message = "differ by nan"
    with pytest.raises(ValueError, match=message) as error:
        kprune.export(build(), tmp_path / "a" / name)
    assert "\n" not in str(error.value) and ".kprune-" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_a_failed_export_leaves_what_was_there(name, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_text("mine")
    monkeypatch.setattr(made_up, "difference", lambda *_, **__: 1.0)
    with pytest.raises(ValueError, match="differ by 1 of the largest"):
        kprune.export(pruned(), path)
    assert path.read_text() == "mine"
    monkeypatch.undo()
    kprune.export(pruned(), path)  # A good one takes its place.
    runtimes.open(path)
    assert list(tmp_path.iterdir()) == [path]
    assert not files.staged(tmp_path)


def test_a_file_that_gives_nothing_is_refused(tmp_path, monkeypatch):
    def nothing(path, format):
        known = kprune.deploy.runtimes.keras_file.open(path)
        return runtimes.Runner(
            lambda x: [y[:0] for y in known(x)], known.inputs
        )

    kprune.export(two_layers(), tmp_path / "one.keras")
    monkeypatch.setattr(runtimes, "open", nothing)
    with pytest.raises(ValueError, match="differ by inf"):
        kprune.export(two_layers(), tmp_path / "other.keras")


@pytest.mark.parametrize("name", FILES)
def test_a_directory_is_no_file(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="where no directory is"):
        kprune.export(pruned(), tmp_path / name)


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(OSError, match=r"^Cannot write .*m.tflite: No space"):
        kprune.export(pruned(), tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"words", b"\0\0\0\0TFL3" * 9])
def test_a_file_of_another_format_is_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as error:
        runtimes.open(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_extra_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setitem(sys.modules, "onnx", types)
    line = r"'onnx' needs tf2onnx.*pip install \"kprune\[onnx\]\""
    with pytest.raises(ValueError, match=line):
        formats.check_installed(formats.FORMATS["onnx"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"quantize": "int4"}, "It has: float16, dynamic_int8, int8"),
        ({"quantize": "int8"}, "needs `representative_data`"),
        ({"representative_data": normal(2, 5)}, "does not fit model"),
        (
            {"quantize": "int8", "representative_data": normal(2, 5)},
            "`representative_data` does not fit",
        ),
        ({"tolerance": 0}, "tolerance"),
        ({"sparse": False, "format": "packed"}, "ends in .kpz"),
        # In float32 some processors give the same bits as TensorFlow.
        (
            {"tolerance": 1e-12, "quantize": "float16"},
            "Expected at most 1e-12",
        ),
        ({"sparse": 1}, "sparse"),
    ],
)
def test_options_that_do_not_fit(options, message, tmp_path):
    model = pruned(conv()) if "tolerance" in options else pruned()
    with pytest.raises(ValueError, match=message):
        kprune.export(model, tmp_path / "m.tflite", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_tells_of_the_newer_interpreter(tmp_path, monkeypatch):
    monkeypatch.setattr(litert, "name", lambda: "tf.lite")
    with pytest.raises(ValueError, match=r'pip install "kprune\[litert\]"'):
        kprune.export(
            pruned(conv()),
            tmp_path / "m.tflite",
            tolerance=1e-12,
            quantize="float16",
        )


def test_recurrent_layers_in_int8_are_refused(tmp_path):
    model = sequential((6, 4), layers.LSTM(5), layers.Dense(2))
    options = {"quantize": "int8", "representative_data": normal(8, 6, 4)}
    with pytest.raises(ValueError, match='Expected "dynamic_int8"'):
        kprune.export(model, tmp_path / "m.tflite", **options)
    assert list(tmp_path.iterdir()) == []
