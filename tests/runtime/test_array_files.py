"""`.npz` files are read as NumPy reads them, or refused in one sentence."""

import numpy as np
import pytest

from kprune.runtime import array_files

ARRAYS = {
    "a/b": np.arange(12, dtype="f4").reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.arange(5, dtype=">i2"),
    "half": np.ones((2, 1), "f2"),
    "scalar": np.array(3),
    "none": np.zeros((0, 7), "u1"),
    "booleans": np.array([True, False]),
    "complex": np.array([1j]),
    "text": np.array("Größe"),
    "bytes": np.array([b"a", b"bc"]),
    "ä" * 40: np.arange(2),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_is_read(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = array_files.read(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].flags.writeable
        np.testing.assert_array_equal(found[name], array)


def test_an_array_longer_than_a_piece(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, 3_000_001).astype("u1")
    np.savez_compressed(tmp_path / "a.npz", a=array)
    np.testing.assert_array_equal(
        array_files.read(str(tmp_path / "a.npz"))["a"], array
    )


def test_the_limit_is_of_what_becomes_of_the_arrays(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.zeros(10_000, "u1"))
    limit = 10_000 + 128  # The header counts.
    array_files.read(path, limit)
    refusal = "at most 10,127 bytes of arrays.*Received: 10,128"
    with pytest.raises(ValueError, match=refusal):
        array_files.read(path, limit - 1)
    with array_files.reading(path, 8 * limit, growth=8) as arrays:
        assert len(arrays["a"]) == 10_000
    refused = pytest.raises(ValueError, match="at most 10,127")
    with refused, array_files.reading(path, 8 * limit - 1, growth=8):
        pass


def test_what_a_block_raises_is_the_error_of_the_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(3))
    for block, words in (
        (lambda arrays: arrays["b"], "Expected an array 'b'"),
        (lambda arrays: int(arrays["a"]), "Received: TypeError: only"),
        (lambda arrays: array_files.shape(arrays["a"]), "integers >= 0"),
    ):
        words = f"Cannot read .*a.npz. .*{words}"
        refused = pytest.raises(ValueError, match=words)
        with refused, array_files.reading(path) as arrays:
            block(arrays)


def test_what_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="Received: a directory"):
        array_files.read(tmp_path)
    with pytest.raises(ValueError, match="or a device"):
        array_files.read("/dev/zero")
    with pytest.raises(FileNotFoundError):
        array_files.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "bits, shape, words",
    [
        (np.zeros(1, "u1"), (3, 3), "9 bits in 2 bytes"),
        (np.zeros(3, "u1"), (3, 3), "9 bits in 2 bytes"),
        (np.zeros(2), (3, 3), "Received: float64"),
        (np.array([0, 1], "u1"), (3, 3), "zeros after 9 bits"),
    ],
)
def test_bits_that_are_not_those_of_a_shape(bits, shape, words):
    with pytest.raises(ValueError, match=words):
        array_files.unpacked(bits, shape)
