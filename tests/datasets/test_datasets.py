"""`load` on the digits that ship with kprune."""

import numpy as np
import pytest
import tensorflow as tf
from pipelines import collect, rows

import kprune.datasets


def test_shapes_dtypes_and_sizes():
    train, test = kprune.datasets.load("digits", batch_size=32)
    info = kprune.datasets.info("digits")
    for dataset, size in ((train, info.train_size), (test, info.test_size)):
        # ceil(1437 / 32) = 45, ceil(360 / 32) = 12.
        assert len(dataset) == -(-size // 32)
        x, y = collect(dataset)
        assert x.shape == (size, *info.input_shape)
        assert y.shape == (size,)
        assert x.dtype == np.float32
        assert y.dtype == np.int32
        assert set(y) == set(range(info.classes))
        assert dataset.element_spec[0].shape[1:] == info.input_shape


def test_train_is_normalized():
    x, _ = collect(kprune.datasets.load("digits")[0])
    # The constants have four decimals.
    np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=3e-4)


def test_the_parts_share_no_image_and_the_test_part_is_balanced():
    (x, _), (x_test, y_test) = kprune.datasets.load_arrays("digits")
    assert not rows(x) & rows(x_test)
    np.testing.assert_array_equal(np.bincount(y_test), [36] * 10)


def test_pixels_and_labels_are_those_of_the_source():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    x, y = sklearn_datasets.load_digits(return_X_y=True)
    source = {(tuple(a), b) for a, b in zip(x, y, strict=True)}
    parts = kprune.datasets.load_arrays("digits", normalization=None)
    ours = {
        (tuple(image.ravel()), label)
        for images, labels in parts
        for image, label in zip(images, labels, strict=True)
    }
    assert ours == source


def test_train_holds_each_image_once_with_its_label():
    (x, y), _ = kprune.datasets.load_arrays("digits")
    label = {
        image.tobytes(): target for image, target in zip(x, y, strict=True)
    }
    x_seen, y_seen = collect(kprune.datasets.load("digits")[0])
    assert rows(x_seen) == rows(x)
    np.testing.assert_array_equal(
        y_seen, [label[image.tobytes()] for image in x_seen]
    )


def test_test_is_in_stored_order_on_every_pass():
    _, test = kprune.datasets.load("digits", batch_size=50)
    _, (x, y) = kprune.datasets.load_arrays("digits")
    for _ in range(2):
        x_seen, y_seen = collect(test)
        np.testing.assert_array_equal(x_seen, x)
        np.testing.assert_array_equal(y_seen, y)


def test_drop_remainder():
    train, test = kprune.datasets.load(
        "digits", batch_size=100, drop_remainder=True
    )
    # 1437 = 14 * 100 + 37; the test images are never dropped.
    assert len(collect(train)[1]) == 1400
    assert train.element_spec[0].shape[0] == 100
    assert len(collect(test)[1]) == 360


def test_train_is_shuffled_anew_each_pass_and_follows_its_seed():
    train, _ = kprune.datasets.load("digits", seed=1)
    first, second = collect(train)[1], collect(train)[1]
    tf.random.set_seed(123)  # Must not matter.
    again, _ = kprune.datasets.load("digits", seed=1)
    other, _ = kprune.datasets.load("digits", seed=2)
    assert np.any(first != second)
    np.testing.assert_array_equal(first, collect(again)[1])
    np.testing.assert_array_equal(second, collect(again)[1])
    assert np.any(first != collect(other)[1])


def test_batches_are_drawn_from_the_whole_set():
    (x, _), _ = kprune.datasets.load_arrays("digits", normalization=None)
    place = {image.tobytes(): k for k, image in enumerate(x)}
    train, _ = kprune.datasets.load("digits", normalization=None)
    first, _ = next(train.as_numpy_iterator())
    places = [place[image.tobytes()] for image in first]
    # The mean of 128 places out of 1437 is 718, give or take 35.
    assert 580 < np.mean(places) < 860


def test_validation_is_disjoint_complete_and_fixed():
    (x, _), (x_test, _) = kprune.datasets.load_arrays("digits")

    train, validation, test = kprune.datasets.load(
        "digits", validation=0.1, seed=1
    )
    _, other, _ = kprune.datasets.load("digits", validation=0.1, seed=2)

    x_train, _ = collect(train)
    x_validation, y_validation = collect(validation)
    # round(143.7) = 144 of 1437 images.
    assert (len(x_train), len(x_validation)) == (1293, 144)
    assert not rows(x_train) & rows(x_validation)
    assert rows(x_train) | rows(x_validation) == rows(x)
    assert rows(collect(test)[0]) == rows(x_test)
    np.testing.assert_array_equal(x_validation, collect(other)[0])
    # Drawn from all over the set, not cut from one end of it.
    assert rows(x_validation) & rows(x[:144])
    assert rows(x_validation) & rows(x[-144:])
    assert len(set(y_validation)) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "digit"}, "Unknown data set: 'digit'. Did you mean 'digits'"),
        ({"name": 10}, "Unknown data set: 10"),
        ({"batch_size": 0}, "`batch_size`. Expected an integer >= 1"),
        ({"batch_size": 1.5}, "`batch_size`. Expected an integer >= 1"),
        ({"validation": 1.0}, "`validation`. Expected a number in"),
        ({"validation": -0.1}, "`validation`. Expected a number in"),
        ({"validation": 1e-5}, "leaves 0 of the 1437"),
        ({"validation": 0.9999}, "leaves 1437 of the 1437"),
        ({"normalization": "synflo"}, "Unknown normalization of 'digits'"),
        ({"augment": True}, "No augmentation is usual for 'digits'"),
        ({"augment": "yes"}, "`augment`. Expected True, False or None"),
        ({"seed": 0.5}, "`seed`. Expected an integer"),
        (
            {"batch_size": 1438, "drop_remainder": True},
            "`batch_size=1438` is more than the 1437",
        ),
    ],
)
def test_errors_at_the_door(arguments, message):
    with pytest.raises(ValueError, match=message):
        kprune.datasets.load(**{"name": "digits", **arguments})


def test_photographs_do_not_come_as_arrays():
    with pytest.raises(ValueError, match="too large for arrays"):
        kprune.datasets.load_arrays("imagenet2012")
