"""`.kpz` files: small, equal to the bit, and safe to open."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from networks import sequential

import kprune
from kprune.deploy import packing
from kprune.runtime import array_files
from studies.faults import hostile_archives


def bits(model):
    """The bytes of a model's weights, in its order. Random states of layers
    are none, which Keras does not save."""
    return [np.asarray(v.value).tobytes() for v in model.weights]


def of_many_kinds():
    """Weights of several types, lookup tables and moving statistics."""
    i, words = keras.Input((6,)), keras.Input((1,), dtype="string")
    h = layers.BatchNormalization()(layers.Dense(5, dtype="bfloat16")(i))
    h = layers.Dropout(0.5)(layers.Dense(5, dtype="float16")(h))
    looked_up = layers.StringLookup(vocabulary=["a", "b"])(words)
    h = h + layers.Flatten()(layers.Embedding(3, 5, name="words")(looked_up))
    normalization = layers.Normalization(mean=1.0, variance=2.0)
    return keras.Model([i, words], layers.Dense(2)(normalization(h)))


def recurrent():
    cells = layers.Bidirectional(layers.GRU(3)), layers.Dense(2)
    return sequential((5, 4), *cells)


def odd_values():
    """A zero of each sign, infinity, and a NaN with a message in it."""
    values = np.zeros((8, 2), np.float32)
    values[:4, 0] = [-0.0, np.inf, -np.inf, 1e-45]
    values.view(np.uint32)[5, 1] = 0x7FC12345
    return sequential((8,), layers.Dense(2), values=[values, np.ones(2)])


@pytest.mark.parametrize("build", [of_many_kinds, recurrent, odd_values])
def test_a_packed_model_comes_back_equal_to_the_bit(build, tmp_path):
    model = build()
    tolerance = {"tolerance": 1e9} if build is odd_values else {}
    kprune.export(model, tmp_path / "m.kpz", **tolerance)
    loaded = kprune.load_packed(tmp_path / "m.kpz")
    assert bits(loaded) == bits(kprune.strip(model))
    assert [v.dtype for v in loaded.weights] == [v.dtype for v in model.weights]


@pytest.mark.parametrize("sparsity, least", [(0.95, 12), (0.98, 20)])
def test_it_is_many_times_smaller_than_a_keras_file(sparsity, least, tmp_path):
    model = kprune.models.lenet_300_100()
    model = kprune.prune(model, "random", sparsity, on_collapse="ignore")
    kprune.strip(model).save(tmp_path / "m.keras")
    found = kprune.export(model, tmp_path / "m.kpz")
    assert found.error == 0
    assert (tmp_path / "m.keras").stat().st_size > least * found.bytes


@pytest.mark.slow
@pytest.mark.parametrize("sparsity, least", [(0.95, 12), (0.98, 20)])
def test_so_is_a_resnet_18(sparsity, least, tmp_path):
    model = kprune.models.resnet18(classes=10)
    model = kprune.prune(model, "random", sparsity)
    kprune.strip(model).save(tmp_path / "m.keras")
    found = kprune.export(model, tmp_path / "m.kpz")
    loaded = kprune.load_packed(tmp_path / "m.kpz")
    assert bits(loaded) == bits(kprune.strip(model))
    assert (tmp_path / "m.keras").stat().st_size > least * found.bytes


def test_it_cannot_hold_zeros(tmp_path):
    with pytest.raises(ValueError, match="`sparse=False` is impossible"):
        kprune.export(recurrent(), tmp_path / "m.kpz", sparse=False)


def test_random_state_stays(tmp_path):
    import random

    kprune.export(recurrent(), tmp_path / "m.kpz")
    before = random.getstate()
    kprune.load_packed(tmp_path / "m.kpz")
    assert random.getstate() == before


# Files from strangers; tests/test_security.py has what holds of all of them.


@pytest.fixture
def packed(tmp_path):
    """The path of a packed model, and its arrays."""
    kprune.export(recurrent(), tmp_path / "m.kpz")
    return tmp_path / "m.kpz", array_files.read(tmp_path / "m.kpz")


def rewritten(path, arrays, **changed):
    """Writes arrays with others in their place, and the checksum of those."""
    arrays = {k: v for k, v in {**arrays, **changed}.items() if v is not None}
    del arrays["sha256"]
    np.savez(path.with_suffix(".npz"), **arrays, sha256=packing._digest(arrays))
    path.with_suffix(".npz").rename(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share, packed):
    path, _ = packed
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"Cannot read .*m\.kpz"):
        kprune.load_packed(path)


def test_any_altered_byte_is_refused_or_changes_nothing(packed):
    path, arrays = packed
    data = path.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 150)):
        altered = bytearray(data)
        altered[place] ^= 1 << place % 8
        path.write_bytes(altered)
        try:
            found = array_files.read(path)
            packing.unpack(found, path.with_suffix(f".{place}"), 1 << 20)
        except (ValueError, KeyError):
            continue
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)


def test_an_altered_array_of_a_whole_file_is_refused(packed):
    path, arrays = packed
    values = arrays["values_4"].copy()
    values[0, 0] ^= 1
    np.savez(path.with_suffix(".npz"), **{**arrays, "values_4": values})
    path.with_suffix(".npz").rename(path)
    with pytest.raises(ValueError, match="that its checksum says"):
        kprune.load_packed(path)


def _json(**changed):
    def change(arrays):
        text = json.loads(arrays["text"].tobytes())
        return {"text": packing._as_bytes({**text, **changed})}

    return change


def _shapes(shape, dtype="<f4"):
    def change(arrays):
        entries = json.loads(arrays["index"].tobytes())
        for entry in entries:
            if "shape" in entry:
                entry |= {"shape": shape, "dtype": dtype}
        return {"index": packing._as_bytes(entries)}

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (_json(version=2), "version 1 of the format"),
        (_json(members={"../a": ""}), "members such as"),
        (_json(members={"/a": ""}), "members such as"),
        (_json(members={packing.WEIGHTS: ""}), "members such as"),
        (_json(members={}), "Keras cannot load the model in"),
        (_shapes([1 << 40]), "at most .* bytes of weights"),
        (_shapes([-1]), "a shape"),
        (_shapes([True]), "a shape"),
        (_shapes([3], "<U9"), "a type of numbers"),
        (_shapes([3], "|O"), "a type of numbers"),
        (lambda a: {"text": None}, "an array 'text'"),
        (lambda a: {"kept_4": a["kept_4"][:-1]}, "bits in"),
        (lambda a: {"values_4": a["values_4"][:, :-1]}, "bytes of"),
        (lambda a: {"index": a["index"].astype("f4")}, "JSON in bytes"),
    ],
)
def test_what_a_stranger_may_have_written(change, message, packed, tmp_path):
    path, arrays = packed
    rewritten(path, arrays, **change(arrays))
    before = set(tmp_path.parent.rglob("*"))
    with pytest.raises(ValueError, match=message) as error:
        kprune.load_packed(path)
    assert "m.kpz" in str(error.value) and "\n" not in str(error.value)
    assert set(tmp_path.parent.rglob("*")) == before


def test_code_of_its_own_is_refused(tmp_path):
    model = sequential((4,), layers.Lambda(lambda x: 2 * x), layers.Dense(2))
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "m.npz", **packing.pack(tmp_path / "m.keras"))
    with pytest.raises(ValueError, match="Keras cannot load"):
        kprune.load_packed((tmp_path / "m.npz").rename(tmp_path / "m.kpz"))


def test_weights_beyond_the_limit_need_max_bytes(packed):
    path, _ = packed
    assert kprune.load_packed(path, max_bytes=1 << 20)
    with pytest.raises(ValueError, match="max_bytes"):
        kprune.load_packed(path, max_bytes=100)


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "m.kpz").write_bytes(hostile_archives.bomb("text.npy", 99))
    with pytest.raises(ValueError, match=r"m\.kpz"):
        kprune.load_packed(tmp_path / "m.kpz")
    with pytest.raises(OSError):
        kprune.load_packed(tmp_path / "none.kpz")
