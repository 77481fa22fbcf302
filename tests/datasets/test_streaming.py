"""The photographs' pipelines, on a small set written by tensorflow-datasets."""

import contextlib
import io

import numpy as np
import pytest

import kprune.datasets
from kprune.datasets import streaming

tfds = pytest.importorskip("tensorflow_datasets")

TRAIN, TEST = 24, 6


class Photographs(tfds.core.GeneratorBasedBuilder):
    """Grey images of many sizes, one grey for each, in four files."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(num_classes=TRAIN),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._images(TRAIN), "validation": self._images(TEST)}

    def _generate_examples(self):
        raise NotImplementedError

    def _images(self, count):
        for k in range(count):
            # Grey left of the middle, black right of it: a flip shows.
            image = np.full((260 + 5 * k, 400 - 4 * k, 3), 10 * k, np.uint8)
            image[:, image.shape[1] // 2 :] = 0
            yield k, {"image": image, "label": k}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(num_shards=4)
    with contextlib.redirect_stdout(io.StringIO()):
        Photographs(data_dir=folder).download_and_prepare(
            download_config=config
        )
    return folder


@pytest.fixture
def load(data_dir, monkeypatch):
    def load(**kwargs):
        builder = Photographs(data_dir=data_dir)
        monkeypatch.setattr(tfds, "builder", lambda *_, **__: builder)
        return kprune.datasets.load("imagenette", batch_size=5, **kwargs)

    return load


def collect(dataset):
    x, y = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(x), np.concatenate(y)


def test_every_photograph_comes_once_at_the_input_shape(load):
    for dataset, size in zip(load(), (TRAIN, TEST), strict=True):
        assert len(dataset) == -(-size // 5)
        assert dataset.element_spec[0].shape[1:] == (224, 224, 3)
        x, y = collect(dataset)
        assert x.shape == (size, 224, 224, 3)
        assert (x.dtype, y.dtype) == (np.float32, np.int32)
        assert sorted(y) == list(range(size))


def test_the_test_part_is_cut_from_the_middle_and_normalized(load):
    _, test = load(normalization="unit")
    x, y = collect(test)
    for image, label in zip(x, y, strict=True):
        # Grey to the left and black to the right, but for JPEG's own noise.
        np.testing.assert_allclose(
            image[:, :90], 10 * label / 255, atol=3 / 255
        )
        np.testing.assert_allclose(image[:, -90:], 0, atol=3 / 255)


def test_train_is_augmented_unless_told_otherwise(load):
    train, _ = load(normalization="unit")
    plain, _ = load(normalization="unit", augment=False)

    def brighter_on_the_right(dataset):
        x, _ = collect(dataset)
        left, right = (
            x[:, :, :60].mean((1, 2, 3)),
            x[:, :, -60:].mean((1, 2, 3)),
        )
        return np.count_nonzero(right > left + 0.01)

    assert brighter_on_the_right(train) > 0
    assert brighter_on_the_right(plain) == 0


def test_two_loads_agree_over_two_passes_that_differ(load):
    train, _ = load(seed=3)
    passes = [collect(train) for _ in range(2)]
    again, _ = load(seed=3)
    for x, y in passes:
        x_again, y_again = collect(again)
        np.testing.assert_array_equal(y, y_again)
        np.testing.assert_array_equal(x, x_again)
    other, _ = load(seed=4)
    assert np.any(passes[0][1] != passes[1][1])
    assert np.any(passes[0][1] != collect(other)[1])


def test_validation_is_disjoint_and_complete(load):
    train, validation, test = load(validation=0.25)
    labels = [collect(part)[1] for part in (train, validation, test)]
    assert list(map(len, labels)) == [18, 6, TEST]
    assert sorted([*labels[0], *labels[1]]) == list(range(TRAIN))
    # Not the first six as they were generated.
    assert sorted(labels[1]) != list(range(6))


def test_photographs_are_shuffled_and_not_only_their_files(load, monkeypatch):
    _, shuffled = collect(load()[0])
    monkeypatch.setattr(streaming, "_BUFFER", 1)
    _, as_read = collect(load()[0])
    assert np.any(shuffled != as_read)


def test_drop_remainder(load):
    train, test = load(drop_remainder=True)
    assert train.element_spec[0].shape[0] == 5
    # 24 = 4 * 5 + 4; the test images are never dropped.
    assert len(collect(train)[1]) == 20
    assert len(collect(test)[1]) == TEST
