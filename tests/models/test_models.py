"""What every model promises, and the sizes that the papers give."""

import math
import re

import keras
import numpy as np
import pytest

from kprune import models

MNIST = {"input_shape": (28, 28, 1)}
CIFAR = {"input_shape": (32, 32, 3)}
TINY_IMAGENET = {"classes": 200, "input_shape": (64, 64, 3)}
IMAGENET = {"classes": 1000, "stem": "imagenet"}


def build(name, **options):
    """Builds a model without values: only its shapes are asked for."""
    with keras.StatelessScope(initialize_variables=False):
        return models.get(name, **{"initializer": "zeros", **options})


def count(weights):
    return sum(math.prod(w.shape) for w in weights)


def kernels(model):
    return [w for w in model.trainable_weights if w.name == "kernel"]


# The numbers count what trains: kernels, biases, and gamma and beta of the
# batch norms, but not their moving means and variances. "Prunable" are the
# kernels of convolutions and dense layers.
SIZES = [
    ("lenet_300_100", {}, 266_610, 266_200),
    ("lenet5", {}, 431_080, 430_500),
    ("conv2", {}, 4_301_642, 4_300_992),
    ("conv4", {}, 2_425_930, 2_425_024),
    ("conv6", {}, 2_262_602, 2_261_184),
    ("conv2", MNIST, 3_317_450, 3_316_800),
    ("conv4", MNIST, 1_933_258, 1_932_352),
    ("conv6", MNIST, 1_802_698, 1_801_280),
    ("fc", {}, 795_010, 794_000),
    ("fc", {"widths": (10_000,)}, 7_950_010, 7_940_000),
    ("fc", {"widths": (100_000,)}, 79_500_010, 79_400_000),
    ("fc", CIFAR, 3_083_010, 3_082_000),
    ("fc", {"widths": (10_000,), **CIFAR}, 30_830_010, 30_820_000),
    ("fc", {"widths": (1000,) * 3}, 2_797_010, 2_794_000),
    ("fc", {"widths": (1000,) * 3, **CIFAR}, 5_085_010, 5_082_000),
    ("fc", {"widths": (4000, 1000, 4000), **CIFAR}, 20_337_010, 20_328_000),
    ("vgg11", {"conv_bias": True}, 9_231_114, 9_222_848),
    ("vgg13", {"conv_bias": True}, 9_416_010, 9_407_168),
    ("vgg16", {"conv_bias": True}, 14_728_266, 14_715_584),
    ("vgg19", {"conv_bias": True}, 20_040_522, 20_024_000),
    ("vgg11", {}, 9_228_362, 9_222_848),
    ("vgg13", {}, 9_413_066, 9_407_168),
    ("vgg16", {}, 14_724_042, 14_715_584),
    ("vgg19", {}, 20_035_018, 20_024_000),
    ("vgg19", {"classes": 100}, 20_081_188, 20_070_080),
    ("vgg19", TINY_IMAGENET, 20_132_488, 20_121_280),
    # 99.98% of it prunable: all but 25,704 biases, gammas and betas.
    ("vgg19_bn", {}, 143_678_248, 143_652_544),
    ("resnet18", {}, 11_173_962, None),
    ("resnet18", {"classes": 100}, 11_220_132, None),
    ("resnet18", TINY_IMAGENET, 11_271_432, None),
    ("resnet18", IMAGENET, 11_689_512, None),
    ("resnet18", {"stem": "imagenet", **CIFAR}, 11_181_642, None),
    ("resnet34", IMAGENET, 21_797_672, None),
    ("resnet34", {}, 21_282_122, None),
    ("resnet50", {}, 23_520_842, 23_467_712),
    ("resnet50", {"classes": 100}, 23_705_252, None),
    ("resnet50", TINY_IMAGENET, 23_910_152, None),
    ("resnet50", IMAGENET, 25_557_032, 25_502_912),
    ("resnet101", IMAGENET, 44_549_160, None),
    ("wide_resnet50", {}, 68_883_240, 68_814_016),
    ("resnet20", {"shortcut": "pad"}, 269_722, None),
    ("resnet20", {}, 272_474, 270_896),
    ("resnet32", {"width": 2}, 1_860_522, None),
    ("resnet32", {"width": 2, "classes": 100}, 1_872_132, None),
    ("resnet32", {"width": 2, **TINY_IMAGENET}, 1_885_032, None),
    ("resnet56", {"shortcut": "pad"}, 853_018, None),
    ("wrn_16_4", {}, 2_748_890, 2_745_264),
    ("wrn_22_2", {}, 1_079_642, 1_076_912),
    ("wrn_28_2", {}, 1_467_610, 1_463_984),
    ("wrn", {"depth": 28, "width": 2}, 1_467_610, 1_463_984),
    ("resnet_cifar", {"depth": 20}, 272_474, 270_896),
]


@pytest.mark.parametrize("name, options, trainable, prunable", SIZES)
def test_sizes_are_the_papers_and_every_model_keeps_to_the_rules(
    name, options, trainable, prunable
):
    model = build(name, **options)
    assert count(model.trainable_weights) == trainable
    if prunable is not None:
        assert count(kernels(model)) == prunable
    assert type(model).__name__ == "Functional" and model.built
    assert model.name == name or name in ("wrn", "resnet_cifar")
    for option, found in (
        ("input_shape", model.input_shape),
        ("classes", model.output_shape),
    ):
        assert np.ravel(options.get(option, found[1:])).tolist() == [*found[1:]]
    # Logits: nothing follows the last dense layer.
    assert isinstance(model.layers[-1], keras.layers.Dense)
    assert model.layers[-1].activation is keras.activations.linear
    assert model.layers[-1].use_bias
    for layer in model.layers:
        assert type(layer).__module__.startswith("keras."), layer
        # Names Keras makes up count on from one model to the next.
        kind = re.sub(r"(?<!^)(?=[A-Z][a-z])", "_", type(layer).__name__)
        assert not re.fullmatch(rf"{kind}_\d+", layer.name, re.I)
    paths = [w.path for w in model.weights]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    "name, options",
    [
        ("lenet5", {}),
        ("conv2", {"input_shape": (8, 8, 1)}),
        pytest.param("vgg11", {}, marks=pytest.mark.slow),
        pytest.param("resnet18", {"stem": "imagenet"}, marks=pytest.mark.slow),
        ("resnet20", {"shortcut": "pad", "input_shape": (9, 8, 3)}),
        ("wrn_16_4", {"stable": True, "input_shape": (8, 8, 3)}),
    ],
)
def test_seed_decides_the_weights(name, options):
    def draw(seed):
        model = models.get(name, seed=seed, **options)
        assert "kprune" not in model.to_json()  # It loads without kprune.
        return [w.numpy() for w in kernels(model)]

    one, same, other, none = draw(3), draw(3), draw(4), draw(None)

    def alike(kernel, other):  # Of millions of floats, some meet by chance.
        return np.mean(kernel == other) > 0.001

    for index, kernel in enumerate(one):
        np.testing.assert_array_equal(kernel, same[index])
        assert not alike(kernel, other[index])
        assert not alike(kernel, none[index])
        for later in one[index + 1 :]:
            assert kernel.shape != later.shape or not alike(kernel, later)


def test_kernels_are_drawn_from_kaiming_normal_unless_told():
    model = models.lenet_300_100(seed=0)
    # std = sqrt(2 / 784) and sqrt(2 / 300).
    for layer, deviation in (("fc1", 0.0505), ("fc2", 0.0816)):
        drawn = np.std(model.get_layer(layer).kernel)
        assert drawn == pytest.approx(deviation, rel=0.02)
    for layer in ("fc1", "fc2", "fc3"):
        assert not np.any(model.get_layer(layer).bias)


def test_fc_is_drawn_as_ossum_has_it():
    model = models.fc((400,), input_shape=(100,), seed=0)
    # U(-r, r) with r = 1 / sqrt(100) and 1 / sqrt(400).
    assert 0.099 < np.max(model.get_layer("fc1").kernel) < 0.1
    assert 0.049 < np.max(model.get_layer("fc2").kernel) < 0.05


def test_names_are_sorted_and_all_public():
    with pytest.raises(ValueError, match="Did you mean 'resnet18'"):
        models.get("resnet-18")
    assert models.names() == sorted({name for name, *_ in SIZES})
    for name in models.names():
        assert getattr(models, name).__name__ == name


def test_integers_may_be_numpys():
    given = {"width": np.int32(2), "seed": np.uint8(3)}
    model = models.resnet20(
        np.int64(4), input_shape=np.array([8, 8, 1]), **given
    )
    same = models.resnet20(4, input_shape=(8, 8, 1), width=2, seed=3)
    assert model.get_config() == same.get_config()


@pytest.mark.parametrize(
    "name", ["fc", "conv2", "vgg11", "resnet18", "resnet20", "wrn_16_4"]
)
def test_classes_must_be_positive(name):
    message = "`classes`. Expected an integer >= 1. Received: classes="
    for classes in (0, -1, 2.5, True, None, "10"):
        with pytest.raises(ValueError, match=message):
            models.get(name, classes=classes)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("fc", {"widths": 100}, r"`widths`.* Received: widths=100"),
        ("fc", {"widths": (10, 0)}, "`widths.1.`.* Received: widths.1.=0"),
        ("fc", {"input_shape": 784}, "Received: input_shape=784"),
        ("fc", {"input_shape": ()}, r"Received: input_shape=\(\)"),
        ("fc", {"seed": 0.5}, "`seed`. .* Received: seed=0.5"),
        ("fc", {"seed": -1}, "`seed`. .* Received: seed=-1"),
        ("lenet5", {"input_shape": (15, 28, 1)}, "at least 16"),
        ("lenet5", {"input_shape": (28, 28)}, r"\(height, width, channels\)"),
        ("lenet5", {"input_shape": (28, 28, None)}, "Received: input_shape="),
        ("conv6", {"input_shape": (7, 8, 3)}, "at least 8"),
        ("vgg16", {"input_shape": (15, 15, 3)}, "at least 16"),
        ("vgg19_bn", {"input_shape": (31, 32, 3)}, "at least 32"),
        ("vgg16", {"head": "mlp"}, "Unknown head: 'mlp'"),
        ("resnet18", {"stem": "cifar10"}, "Did you mean 'cifar'"),
        ("resnet18", {"width": 0}, "`width`. Expected an integer"),
        ("resnet20", {"shortcut": "a"}, "Expected one of: conv, pad"),
        ("resnet20", {"width": 1.5}, "Received: width=1.5"),
        ("resnet_cifar", {"depth": 18}, "6 n [+] 2.*Received: depth=18"),
        ("resnet_cifar", {"depth": 2}, "6 n [+] 2.*Received: depth=2"),
        ("wrn", {"depth": 20}, "6 n [+] 4.*Received: depth=20"),
        ("wrn", {"depth": 4}, "6 n [+] 4.*Received: depth=4"),
        ("wrn", {"width": 0}, "`width`. Expected an integer"),
    ],
)
def test_bad_arguments_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        models.get(name, **options)


@pytest.mark.parametrize(
    "builder, depth",
    [
        (models.conv.conv_net, 8),
        (models.vgg.vgg, 12),
        (models.resnet.resnet, 20),
        (models.resnet.resnet, "18"),
    ],
)
def test_depths_are_those_of_the_papers(builder, depth):
    with pytest.raises(ValueError, match=f"`depth`.*depth={depth!r}"):
        builder(depth)


@pytest.mark.parametrize(
    "name, smallest",
    [
        *(("lenet5", 16), ("conv6", 8), ("vgg11", 16), ("vgg19_bn", 32)),
        *(("resnet18", 1), ("resnet20", 1), ("wrn_16_4", 1)),
    ],
)
def test_the_smallest_image_is_taken_and_need_not_be_square(name, smallest):
    model = build(name, input_shape=(smallest, 48, 1), classes=4)
    assert model.output_shape == (None, 4)
