"""Crops and flips on images whose pixels say where they came from."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from kprune.datasets.augmentation import (
    crop_and_flip,
    random_resized_crop,
    resize_and_center_crop,
)

SEED = tf.constant([3, 4], tf.int64)


def all_crops(image, padding):
    """Every crop of one image, by hand: `{bytes: (top, left, flipped)}`."""
    size = len(image)
    padded = np.pad(image[..., 0], padding)
    crops = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[top : top + size, left : left + size]
            crops[crop.tobytes()] = top, left, False
            crops[crop[:, ::-1].tobytes()] = top, left, True
    return crops


def test_crop_and_flip_gives_every_crop_of_the_padded_image():
    # Pixels count 1, 2, 3 ... in rows; the border is 0.
    image = np.arange(1, 37, dtype=np.uint8).reshape(6, 6, 1)
    crops = all_crops(image, padding=1)
    images = np.repeat(image[np.newaxis], 400, axis=0)
    result = crop_and_flip(images, SEED, padding=1).numpy()
    # 3 x 3 places, flipped or not. 400 draws miss one of 18 with p = 2e-9.
    seen = {crops[image.tobytes()] for image in result}
    assert result.dtype == np.uint8
    assert seen == set(itertools.product(range(3), range(3), (False, True)))


@pytest.mark.parametrize("crop", [crop_and_flip, random_resized_crop])
def test_a_crop_is_a_function_of_its_seed(crop):
    size = {"size": 16} if crop is random_resized_crop else {}
    shape = (40, 50, 3) if size else (64, 6, 6, 1)
    x = np.random.RandomState(0).randint(0, 256, shape, np.uint8)
    once = crop(x, seed=SEED, **size)
    tf.random.set_seed(5)  # Must not matter.
    np.testing.assert_array_equal(crop(x, seed=SEED, **size), once)
    assert np.any(crop(x, seed=SEED + [0, 1], **size) != once)


def test_random_resized_crop_draws_areas_and_ratios_in_range():
    # Pixels hold their row in one channel and their column in another, so the
    # extent of a crop can be read off the result.
    rows, columns = np.mgrid[:200, :200].astype(np.uint8)
    image = np.stack([rows, columns], axis=-1)

    flips, areas, middles = [], [], []
    for step in range(200):
        crop = random_resized_crop(image, 50, tf.constant([1, step])).numpy()
        assert crop.shape == (50, 50, 2)
        assert crop.dtype == np.float32
        # The centres of the first and last pixels lie 49/50 apart.
        tall, wide = np.ptp(crop, axis=(0, 1)) * 50 / 49
        assert 0.72 < wide / tall < 1.38
        areas.append(tall * wide / 200**2)
        middles.append(crop.mean(axis=(0, 1)))
        flips.append(crop[0, 0, 1] > crop[0, -1, 1])
    # Each bound below is missed with p = 1e-3 or less.
    assert 0.07 < min(areas) < 0.12
    assert 0.85 < max(areas) < 1.02
    assert 0.42 < np.median(areas) < 0.55
    assert 77 < sum(flips) < 123
    # Half of the margin to either side: on the average in the middle.
    np.testing.assert_allclose(np.mean(middles, axis=0), 99.5, atol=6)
    assert np.min(middles) < 60 and np.max(middles) > 140


def test_random_resized_crop_of_an_image_that_no_crop_fits():
    # Of 6 x 600 pixels no part of 8 % has a ratio of 4/3 or less: what is
    # left is 6 x 8.
    image = np.tile(np.arange(600, dtype=np.float32)[:, None], (6, 1, 1))
    crop = random_resized_crop(image, 8, tf.constant([0, 0])).numpy()
    assert crop.shape == (8, 8, 1)
    np.testing.assert_allclose(np.ptp(crop), 7)


@pytest.mark.parametrize("shape", [(300, 600), (600, 300)])
def test_resize_and_center_crop_takes_the_middle(shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    image = np.stack([rows, columns], axis=-1)
    crop = resize_and_center_crop(image, 224, 256).numpy()
    # 256 of 300 pixels: a crop of 224 spans 262.5 and is centred on the
    # image's centre, in both directions.
    assert crop.shape == (224, 224, 2)
    np.testing.assert_allclose(
        crop.mean(axis=(0, 1)), [(n - 1) / 2 for n in shape], atol=0.6
    )
    np.testing.assert_allclose(
        np.ptp(crop, axis=(0, 1)), 223 * 300 / 256, atol=0.5
    )
