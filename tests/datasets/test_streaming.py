"""The photographs' pipelines, on a small set written by tensorflow-datasets."""

import contextlib
import io
import itertools

import numpy as np
import pytest
import tensorflow as tf
from pipelines import assert_same_batches, collect

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


@pytest.fixture(scope="module")
def load(data_dir):
    def load(**kwargs):
        kwargs = {"batch_size": 5, "normalization": "unit", **kwargs}
        return kprune.datasets.load("imagenette", **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        builder = Photographs(data_dir=data_dir)
        patch.setattr(tfds, "builder", lambda *_, **__: builder)
        yield load


@pytest.fixture(scope="module")
def parts(load):
    """The parts by default, and unless augmented, which tests only read."""
    return load(), load(augment=False)


def test_every_photograph_comes_once_at_the_input_shape(parts):
    for dataset, size in zip(parts[0], (TRAIN, TEST), strict=True):
        assert len(dataset) == -(-size // 5)
        assert dataset.element_spec[0].shape[1:] == (224, 224, 3)
        x, y = collect(dataset)
        assert x.shape == (size, 224, 224, 3)
        assert (x.dtype, y.dtype) == (np.float32, np.int32)
        assert sorted(y) == list(range(size))


def test_the_test_part_is_cut_from_the_middle_and_normalized(parts):
    x, y = collect(parts[0][1])
    for image, label in zip(x, y, strict=True):
        # Grey to the left and black to the right, but for JPEG's own noise.
        np.testing.assert_allclose(
            image[:, :90], 10 * label / 255, atol=3 / 255
        )
        np.testing.assert_allclose(image[:, -90:], 0, atol=3 / 255)


def test_train_is_augmented_unless_told_otherwise(parts):
    (train, _), (plain, _) = parts

    def brighter_on_the_right(dataset):
        x, _ = collect(dataset)
        left, right = x[:, :, :60], x[:, :, -60:]
        more = right.mean((1, 2, 3)) > left.mean((1, 2, 3)) + 0.01
        return np.count_nonzero(more)

    assert brighter_on_the_right(train) > 0
    assert brighter_on_the_right(plain) == 0


def test_two_loads_agree_over_two_passes_that_differ(load):
    train, _ = load(seed=3)
    passes = [collect(train) for _ in range(2)]
    again, _ = load(seed=3)
    assert_same_batches([collect(again) for _ in range(2)], passes)
    other, _ = load(seed=4)
    assert np.any(passes[0][1] != passes[1][1])
    assert np.any(passes[0][1] != collect(other)[1])


def test_the_files_are_shuffled_by_the_seed_alone(load, parts, monkeypatch):
    _, mixed = collect(parts[1][0])
    monkeypatch.setattr(streaming, "_BUFFER", 1)
    _, once = collect(load(augment=False)[0])
    tf.random.set_seed(7)  # Must not matter.
    _, again = collect(load(augment=False)[0])
    _, other = collect(load(augment=False, seed=1)[0])
    np.testing.assert_array_equal(once, again)
    assert np.any(once != other)
    assert np.any(once != mixed)  # The photographs are shuffled as well.


@pytest.mark.parametrize(
    "starts, options",
    [
        ([0, 3], {}),
        ([7], {"drop_remainder": True}),
        ([5], {"validation": 0.25}),
    ],
)
def test_a_run_that_starts_later_reads_what_it_would_have_read(
    load, starts, options
):
    # Two passes, by default of 5, 5, 5, 5 and 4 photographs each.
    train, *_ = load(**options)
    expected = [b for _ in range(2) for b in train.as_numpy_iterator()]
    for start in starts:
        train, *_ = load(start=start, **options)
        assert train.cardinality() == tf.data.INFINITE_CARDINALITY
        left = train.take(len(expected) - start)
        for _ in range(2 if start == 3 else 1):
            found = list(left.as_numpy_iterator())
            assert_same_batches(found, expected[start:])


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ([10, 10, 4], {"batch_size": 10}),
        ([10] * 3, {"drop_remainder": True, "batch_size": 10, "start": 1}),
    ],
)
def test_shares_are_the_rows_of_the_whole_batch(load, sizes, options):
    whole, *shares = (
        list(itertools.islice(train.as_numpy_iterator(), len(sizes)))
        for shard in (None, (0, 2), (1, 2))
        for train in load(**options, shard=shard)[:1]
    )
    assert [len(y) for _, y in whole] == sizes
    for share, half in zip(shares, (0, 1), strict=True):
        expected = [
            (np.split(x, 2)[half], np.split(y, 2)[half]) for x, y in whole
        ]
        assert_same_batches(share, expected)


@pytest.fixture
def decoded(monkeypatch):
    """The labels of the photographs, in the order they are decoded in."""
    labels = []
    decode = tf.io.decode_jpeg

    def note(image):
        labels.append(round(image[0, 0, 0] / 10))  # The greys are 0, 10 ...
        return image

    def record(encoded, channels):
        image = decode(encoded, channels=channels)
        result = tf.numpy_function(note, [image], tf.uint8)
        return tf.ensure_shape(result, [None, None, channels])

    monkeypatch.setattr(tf.io, "decode_jpeg", record)
    return labels


def test_what_lies_behind_is_not_decoded(load, decoded):
    train, _ = load(batch_size=1, start=23)
    ((_, (label,)),) = train.take(1).as_numpy_iterator()
    # The last of its pass; others that were read ahead are of the next.
    assert decoded[0] == label


def test_what_others_share_is_not_decoded(load, decoded):
    _, own = collect(load(batch_size=24, shard=(5, 12))[0])
    assert len(own) == 2
    assert sorted(decoded) == sorted(own)


def test_files_of_another_kind_are_refused(load, monkeypatch):
    kind = tfds.core.FileFormat.ARRAY_RECORD
    monkeypatch.setattr(tfds.core.DatasetInfo, "file_format", kind)
    with pytest.raises(
        ValueError, match=r"'tfrecord'.*Received: 'array_record"
    ):
        load()


def test_validation_is_disjoint_and_complete(load):
    train, validation, test = load(validation=0.25)
    labels = [collect(part)[1] for part in (train, validation, test)]
    assert list(map(len, labels)) == [18, 6, TEST]
    assert sorted([*labels[0], *labels[1]]) == list(range(TRAIN))
    # Not the first six as they were generated.
    assert sorted(labels[1]) != list(range(6))


def test_drop_remainder(load):
    train, test = load(drop_remainder=True)
    assert train.element_spec[0].shape[0] == 5
    # 24 = 4 * 5 + 4; the test images are never dropped.
    assert len(collect(train)[1]) == 20
    assert len(collect(test)[1]) == TEST
