"""The table of data sets: sizes, shapes, normalization."""

import dataclasses
from typing import Any

from kprune.datasets import own
from kprune.datasets.normalization import (
    Standardize,
    as_stored,
    per_image,
)
from kprune.runtime.lookup import choose


@dataclasses.dataclass(frozen=True)
class Info:
    """Describes a data set.

    Args:
        name: String.
        input_shape: Tuple, the shape of an input; of images
            `(height, width, channels)`.
        classes: Integer, number of classes.
        train_size: Integer, number of training images.
        test_size: Integer, number of test images.
        source: String, the authors and a link to a description.
        licence: String.
        normalizations: Dict from name to a function of images in [0, 1].
        augmentation: `"crop"`: a black border of 4 pixels, a random crop of
            the image's size and a flip. `"resized_crop"`: a random part of
            a photograph, resized, and a flip; such a set is read from disk
            image by image, all others are held in memory. `None`: none.
        white: Integer, the largest pixel value.
        tfds: String, the name in tensorflow-datasets; `None` for a set that
            does not come from there.
        test_split: String, the name in tensorflow-datasets of the split that
            papers report their accuracy on.
        url: String, a file that tensorflow-datasets downloads, to test whether
            its server responds; `None` to skip that test.
        module: String, the module of kprune that defines the set for
            tensorflow-datasets; `None` for a set that it knows.
    """

    name: str
    input_shape: tuple[int, ...]
    classes: int
    train_size: int
    test_size: int
    source: str
    licence: str
    normalizations: dict[str, Any] = dataclasses.field(
        repr=False, compare=False
    )
    augmentation: str | None = None
    white: int = 255
    tfds: str | None = None
    test_split: str = "test"
    url: str | None = None
    module: str | None = None

    @property
    def mean(self) -> tuple[float, ...] | None:
        """The mean per channel that the default normalization subtracts, or
        `None` for your own data, which it leaves unchanged."""
        return getattr(self.normalizations["default"], "mean", None)

    @property
    def std(self) -> tuple[float, ...] | None:
        """The standard deviation per channel that it divides by, or `None`."""
        return getattr(self.normalizations["default"], "std", None)


def _variants(channels, mean, std, **others):
    constants = {
        "default": Standardize(mean, std),
        "half": Standardize((0.5,) * channels, (0.5,) * channels),
        "unit": Standardize((0.0,) * channels, (1.0,) * channels),
    }
    return constants | others


_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_KRIZ = "https://www.cs.toronto.edu/~kriz"
_MNIST: dict[str, Any] = {
    "input_shape": (28, 28, 1),
    "classes": 10,
    "train_size": 60_000,
    "test_size": 10_000,
}
_CIFAR: dict[str, Any] = {
    "input_shape": (32, 32, 3),
    "train_size": 50_000,
    "test_size": 10_000,
    "source": f"Krizhevsky (2009), {_KRIZ}/cifar.html",
    "licence": "none given by its author",
    "augmentation": "crop",
}
_PHOTOGRAPHS: dict[str, Any] = {
    "input_shape": (224, 224, 3),
    "augmentation": "resized_crop",
    "test_split": "validation",
}

_ALL = (
    Info(
        name="digits",
        input_shape=(8, 8, 1),
        classes=10,
        train_size=1437,
        test_size=360,
        source="Alpaydin & Kaynak (1998), https://doi.org/10.24432/C50P49",
        licence="CC BY 4.0",
        # Mean and standard deviation of the training images.
        normalizations=_variants(1, (0.3059,), (0.3766,)),
        white=16,
    ),
    Info(
        name="mnist",
        **_MNIST,
        source="LeCun, Cortes & Burges, http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        normalizations=_variants(
            1, (0.1307,), (0.3081,), ossum=Standardize((0.13066,), (0.3081,))
        ),
        tfds="mnist",
        url="https://storage.googleapis.com/cvdf-datasets/mnist/"
        "t10k-labels-idx1-ubyte.gz",
    ),
    Info(
        name="fashion_mnist",
        **_MNIST,
        source="Xiao, Rasul & Vollgraf (2017), "
        "https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        normalizations=_variants(1, (0.2860,), (0.3530,)),
        tfds="fashion_mnist",
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
        "t10k-labels-idx1-ubyte.gz",
    ),
    Info(
        name="cifar10",
        **_CIFAR,
        classes=10,
        normalizations=_variants(
            3,
            (0.4914, 0.4822, 0.4465),
            # The mean of the images' own deviations, which GraSP, FORCE and
            # ProsPr divide by. The deviation over all pixels is (.2470,
            # .2435, .2616): with this one inputs have a deviation of 1.2-1.3.
            (0.2023, 0.1994, 0.2010),
            synflow=Standardize((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)),
            imagenet=Standardize(*_IMAGENET),  # open_lth
            per_image=per_image,
        ),
        tfds="cifar10",
        url=f"{_KRIZ}/cifar-10-binary.tar.gz",
    ),
    Info(
        name="cifar100",
        **_CIFAR,
        classes=100,
        normalizations=_variants(
            3,
            (0.5071, 0.4867, 0.4408),
            (0.2675, 0.2565, 0.2761),
            imagenet=Standardize(*_IMAGENET),
            per_image=per_image,
        ),
        tfds="cifar100",
        url=f"{_KRIZ}/cifar-100-binary.tar.gz",
    ),
    Info(
        name="tiny_imagenet",
        input_shape=(64, 64, 3),
        classes=200,
        train_size=100_000,
        test_size=10_000,
        source="Le & Yang (2015), https://cs231n.stanford.edu/"
        "tiny-imagenet-200.zip; images of imagenet2012",
        licence="as in imagenet2012",
        normalizations=_variants(
            3,
            (0.4802, 0.4481, 0.3975),
            (0.2770, 0.2691, 0.2821),
            imagenet=Standardize(*_IMAGENET),
        ),
        augmentation="crop",
        tfds="tiny_imagenet",
        test_split="validation",
        module="kprune.datasets.tiny_imagenet",
    ),
    Info(
        name="imagenet2012",
        **_PHOTOGRAPHS,
        classes=1000,
        train_size=1_281_167,
        test_size=50_000,
        source="Russakovsky et al. (2015), https://image-net.org",
        licence="non-commercial research and education, on registration",
        normalizations=_variants(3, *_IMAGENET),
        tfds="imagenet2012",
    ),
    Info(
        name="imagenette",
        **_PHOTOGRAPHS,
        classes=10,
        train_size=9_469,
        test_size=3_925,
        source="Howard, https://github.com/fastai/imagenette",
        licence="code Apache 2.0; images as in imagenet2012",
        normalizations=_variants(3, *_IMAGENET),
        # A shorter side of 320 is enough for crops of 224, with a fifth of the
        # bytes.
        tfds="imagenette/320px-v2",
        url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
    ),
)
_BY_NAME = {row.name: row for row in _ALL}


def names() -> list[str]:
    """Returns the names of the data sets, sorted."""
    return sorted(_BY_NAME)


def info(name: str) -> Info:
    """Returns the `Info` of a data set; only your own sets are read for it.

    Args:
        name: String, one of `names()`; or your own data set:
            `"module:function"`, the path of an `.npz` file, or the path of a
            folder of images by class (see `kprune.datasets.load`).

    Raises:
        ValueError: If the name is unknown, or your own set is invalid.

    Example:

    >>> kprune.datasets.info("cifar10").input_shape
    (32, 32, 3)
    """
    if own.is_own(name):
        return _own_info(name)
    return choose(name, _BY_NAME, "data set")


def _own_info(name):
    shape, classes, train_size, test_size, bytes_ = own.shapes(name)
    return Info(
        name=name,
        input_shape=shape,
        classes=classes,
        train_size=train_size,
        test_size=test_size,
        source="the user",
        licence="the user's",
        normalizations={"default": as_stored},
        white=255 if bytes_ else 1,
    )
