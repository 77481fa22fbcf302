"""Tiny-ImageNet from an archive of the same structure, but small."""

import contextlib
import hashlib
import importlib
import socket
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow as tf

import kprune.datasets
from kprune.datasets import memory

tfds = pytest.importorskip("tensorflow_datasets")

IDS = ("n02", "n01", "n03")  # As in wnids.txt: not sorted.
ROOT = "tiny-imagenet-200"


def jpeg(grey, channels=3):
    image = np.full((64, 64, channels), grey, np.uint8)
    return tf.io.encode_jpeg(image).numpy()


def write_archive(path):
    """Greys say the class and the place: 40 of n01's first, 80 of n02's ..."""
    greys = {"n01": 40, "n02": 80, "n03": 120}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{ROOT}/wnids.txt", "\n".join(IDS))
        archive.writestr(f"{ROOT}/words.txt", "n01\tone\n")
        for wordnet_id, grey in greys.items():
            folder = f"{ROOT}/train/{wordnet_id}"
            archive.writestr(f"{folder}/{wordnet_id}_boxes.txt", "0\t1\n")
            for k in range(4):
                # As in the archive, some are stored in one channel.
                image = jpeg(grey + k, channels=1 if k == 3 else 3)
                archive.writestr(
                    f"{folder}/images/{wordnet_id}_{k}.JPEG", image
                )
        annotations = []
        for k, (wordnet_id, grey) in enumerate(greys.items()):
            image = jpeg(grey + 10)
            archive.writestr(f"{ROOT}/val/images/val_{k}.JPEG", image)
            annotations.append(f"val_{k}.JPEG\t{wordnet_id}\t0\t0\t62\t62\n")
        archive.writestr(
            f"{ROOT}/val/val_annotations.txt", "".join(annotations)
        )
        archive.writestr(f"{ROOT}/test/images/test_0.JPEG", jpeg(0))


@contextlib.contextmanager
def known(path):
    """The archive at a path is the one that is known."""
    module = importlib.import_module("kprune.datasets.tiny_imagenet")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SHA256", digest)
        yield


def archive_in(folder):
    """Writes an archive where it is put by hand, and returns its path."""
    path = folder / "downloads" / "manual" / f"{ROOT}.zip"
    path.parent.mkdir(parents=True)
    write_archive(path)
    return path


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder in which the set is built once."""
    folder = tmp_path_factory.mktemp("tfds")
    path = archive_in(folder)
    with known(path):
        kprune.datasets.load("tiny_imagenet", data_dir=folder)
    path.unlink()  # No longer needed.
    return folder


def test_images_and_labels_are_those_of_the_archive(data_dir):
    parts = kprune.datasets.load_arrays(
        "tiny_imagenet", normalization=None, data_dir=data_dir
    )
    (x, y), (x_test, y_test) = parts
    assert x.shape == (12, 64, 64, 3) and x_test.shape == (3, 64, 64, 3)
    # Labels are places in the sorted list: 0 for n01, of grey 40 and more.
    greys = sorted(zip(y, x.mean((1, 2, 3)), strict=True))
    expected = [(k, 40 * (k + 1) + j) for k in range(3) for j in range(4)]
    np.testing.assert_allclose(greys, expected, atol=1)
    np.testing.assert_allclose(
        sorted(zip(y_test, x_test.mean((1, 2, 3)), strict=True)),
        [(0, 50), (1, 90), (2, 130)],
        atol=1,
    )


def test_training_images_are_cropped_at_their_size(data_dir):
    train, _ = kprune.datasets.load(
        "tiny_imagenet", 4, normalization="unit", data_dir=data_dir
    )
    x, y = next(train.as_numpy_iterator())
    assert x.shape == (4, 64, 64, 3)
    # A border of 4 pixels at most is black; the rest has the grey.
    inside = x[:, 4:-4, 4:-4] * 255
    greys = np.broadcast_to(40 * (y + 1)[:, None, None, None], inside.shape)
    assert np.all((inside >= greys - 1) & (inside <= greys + 4))
    assert (x[:, [0, -1]] < 0.02).any() or (x[:, :, [0, -1]] < 0.02).any()


def test_a_share_of_it_resumes(data_dir):
    options = {"batch_size": 4, "data_dir": data_dir}
    whole, _ = kprune.datasets.load("tiny_imagenet", **options, start=4)
    share, _ = kprune.datasets.load(
        "tiny_imagenet", **options, start=4, shard=(1, 2)
    )
    (x, y), (x_share, y_share) = (
        next(part.as_numpy_iterator()) for part in (whole, share)
    )
    np.testing.assert_array_equal(y_share, y[2:])
    np.testing.assert_array_equal(x_share, x[2:])


def test_without_archive_and_network_the_error_says_where_to_put_it(
    tmp_path, monkeypatch
):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in the tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(RuntimeError) as caught:
        kprune.datasets.load("tiny_imagenet", data_dir=tmp_path)
    for advice in (
        "cs231n.stanford.edu/tiny-imagenet-200.zip",
        "`downloads/manual`",
        "kprune.datasets.load('tiny_imagenet', data_dir='FOLDER')",
    ):
        assert advice in str(caught.value)


def test_an_archive_that_broke_off_is_an_error(tmp_path):
    path = archive_in(tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    broken = pytest.raises(RuntimeError, match="BadZipFile")
    with known(path), broken:
        kprune.datasets.load("tiny_imagenet", data_dir=tmp_path)
    # Nothing half-built is left behind.
    write_archive(path)
    with known(path):
        found = memory.read(kprune.datasets.info("tiny_imagenet"), tmp_path)
    assert len(found) == 2


def test_an_archive_that_was_changed_is_an_error(tmp_path):
    path = archive_in(tmp_path)
    with pytest.raises(RuntimeError, match="Expected the SHA-256 6198c8ae"):
        kprune.datasets.load("tiny_imagenet", data_dir=tmp_path)
    with known(path):
        data = bytearray(path.read_bytes())
        data[data.index(b"words.txt")] ^= 32
        path.write_bytes(data)
        with pytest.raises(RuntimeError, match="fetch it again"):
            kprune.datasets.load("tiny_imagenet", data_dir=tmp_path)


@pytest.mark.slow
def test_kprune_is_imported_without_tensorflow_datasets():
    program = (
        "import sys; sys.modules['tensorflow_datasets'] = None\n"  # Raises.
        "import kprune\n"
        "kprune.datasets.load('digits')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
