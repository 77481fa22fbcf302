"""Stable ResNets go through every method, and shrink."""

import math

import numpy as np
import pytest
from networks import CE, examples

import kprune

X, Y = examples(16, 8, 8, 3, classes=4)
SHORT = {
    "resnet_cifar": {"depth": 8},
    "wrn": {"depth": 10, "width": 1},
    "resnet18": {},
}


def stable(name="resnet_cifar"):
    options = {"classes": 4, "input_shape": (8, 8, 3), "seed": 0}
    return kprune.models.get(name, stable=True, **options, **SHORT[name])


def methods(*quick):
    """Every name that `prune` takes, all but some of them slow tests."""
    return [
        name if name in quick else pytest.param(name, marks=pytest.mark.slow)
        for name in kprune.methods("prune")
    ]


def scales(model):
    return {x.name: x.scale for x in model.layers if x.name.endswith("_scale")}


@pytest.mark.parametrize("method", methods("snip", "magnitude"))
def test_every_method_prunes_it(method):
    options = {"sparsity": 0.5, "data": (X, Y), "loss": CE, "verbose": 0}
    try:
        pruned = kprune.prune(stable(), method, **options)
    except ValueError as error:
        # Those of other shapes of network say so, of any ResNet.
        plain = kprune.models.resnet_cifar(8, 4, input_shape=(8, 8, 3), seed=0)
        with pytest.raises(ValueError) as other:
            kprune.prune(plain, method, **options)
        assert str(other.value) == str(error)
        return
    assert scales(pruned) == scales(stable())
    plain = kprune.strip(pruned)
    np.testing.assert_allclose(plain(X), pruned(X), atol=1e-5)


@pytest.mark.parametrize(
    "name, blocks",
    [
        ("resnet_cifar", 3),
        pytest.param("wrn", 3, marks=pytest.mark.slow),
        pytest.param("resnet18", 8, marks=pytest.mark.slow),
    ],
)
def test_it_shrinks_with_its_scales(name, blocks):
    model = stable(name)
    pruned = kprune.prune(model, "random", 0.5, granularity="channel")
    small = kprune.shrink(pruned, verbose=0)
    assert small.count_params() < 0.5 * model.count_params()
    assert list(scales(small).values()) == [1 / math.sqrt(blocks)] * blocks
    np.testing.assert_allclose(small(X), pruned(X), atol=1e-4)
