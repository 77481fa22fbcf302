import numpy as np
import pytest

import kprune.datasets
from kprune.datasets.normalization import normalizer


@pytest.mark.parametrize("name", kprune.datasets.names())
def test_every_set_has_a_normalization_for_each_channel(name):
    info = kprune.datasets.info(name)
    assert info.name == name
    assert len(info.mean) == len(info.std) == info.input_shape[-1]
    assert {"default", "half", "unit"} <= set(info.normalizations)
    assert info.source and info.licence


@pytest.mark.parametrize(
    ("name", "variant", "black", "white"),
    [
        # (0 - mean) / std and (1 - mean) / std of the first channel.
        ("mnist", "default", -0.1307 / 0.3081, 0.8693 / 0.3081),
        ("mnist", "ossum", -0.13066 / 0.3081, 0.86934 / 0.3081),
        ("fashion_mnist", "default", -0.286 / 0.353, 0.714 / 0.353),
        ("cifar10", "default", -0.4914 / 0.2023, 0.5086 / 0.2023),
        ("cifar10", "synflow", -0.491 / 0.247, 0.509 / 0.247),
        ("cifar10", "imagenet", -0.485 / 0.229, 0.515 / 0.229),
        ("cifar100", "default", -0.5071 / 0.2675, 0.4929 / 0.2675),
        ("tiny_imagenet", "default", -0.4802 / 0.277, 0.5198 / 0.277),
        ("imagenet2012", "default", -0.485 / 0.229, 0.515 / 0.229),
        ("cifar10", "half", -1, 1),
        ("digits", "unit", 0, 1),
        ("digits", None, 0, 16),
        ("cifar10", None, 0, 255),
    ],
)
def test_normalization_of_black_and_white(name, variant, black, white):
    info = kprune.datasets.info(name)
    image = np.zeros((1, 2, 1, info.input_shape[-1]), np.uint8)
    image[0, 1] = info.white
    result = normalizer(info, variant)(image).numpy()
    assert result.dtype == np.float32
    np.testing.assert_allclose(
        result[0, :, 0, 0], [black, white], rtol=1e-5, atol=1e-6
    )


def test_per_image_normalization_gives_each_image_unit_deviation():
    info = kprune.datasets.info("cifar10")
    images = np.random.RandomState(0).randint(0, 256, (3, 32, 32, 3), np.uint8)
    images[1] //= 40
    result = normalizer(info, "per_image")(images).numpy()
    axes = (1, 2, 3)
    np.testing.assert_allclose(result.mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=axes), 1, atol=1e-5)


def test_a_name_that_is_nearly_right_is_hinted_at():
    with pytest.raises(ValueError, match="Did you mean 'cifar10' or"):
        kprune.datasets.info("cifr10")


def test_info_cannot_be_changed():
    with pytest.raises(AttributeError):
        kprune.datasets.info("digits").classes = 11


def test_own_data_are_not_standardized(tmp_path):
    arrays = {"x_train": np.zeros((4, 3)), "y_train": np.arange(4) % 2}
    tests = {"x_test": np.zeros((2, 3)), "y_test": np.arange(2)}
    np.savez(tmp_path / "mine.npz", **arrays, **tests)
    info = kprune.datasets.info(str(tmp_path / "mine.npz"))
    assert (info.mean, info.std) == (None, None)
    assert (info.train_size, info.input_shape) == (4, (3,))
