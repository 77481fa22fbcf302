"""Neurons by norm, at random, and by OSSuM after norm."""

import itertools

import keras
import numpy as np
import pytest

import kprune
from kprune.pruning.chain import Chain
from kprune.pruning.recipes import neurons as neuron_recipes
from kprune.scoring.objective import Objective

CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def net(widths, seed=0):
    model = kprune.models.fc(widths, input_shape=(5,), classes=3, seed=seed)
    return model


def data(examples=30):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(examples, 5)).astype("float32")
    return x, rng.integers(0, 3, examples)


def kept(model, pruner, sparsity):
    """Returns which neurons of each hidden layer a method keeps."""
    masks = pruner.masks(Objective(model, data(), CE), sparsity)
    names = list(masks)
    found = []
    for made, read in itertools.pairwise(names):
        stays = masks[made].any(axis=0)
        # A neuron goes with all that it reads and all that reads it.
        np.testing.assert_array_equal(stays, masks[read].any(axis=1))
        found.append(np.flatnonzero(stays).tolist())
    return found


def test_norm_is_of_what_a_neuron_reads_without_its_bias():
    model = net((4,))
    kernel = np.zeros((5, 4))
    kernel[:2, 0] = 3, 4  # Norm 5, sum of absolute values 7.
    kernel[:, 1] = 1.5  # Norm 3.4, sum 7.5.
    kernel[0, 2] = -6  # Norm 6.
    model.get_layer("fc1").set_weights([kernel, np.array([0, 0, 0, 100])])
    norm = neuron_recipes.neuron_norm()
    assert kept(model, norm, 0.25) == [[0, 1, 2]]
    assert kept(model, norm, 0.5) == [[0, 2]]
    assert kept(model, norm, 0.75) == [[2]]


@pytest.mark.parametrize("name", sorted(neuron_recipes.METHODS))
def test_each_hidden_layer_loses_the_same_share(name):
    pruner = neuron_recipes.METHODS[name]()
    found = kept(net((8, 12, 20)), pruner, 0.75)
    last_alone = name in ("ossum", "linear_ossum", "log_ossum")
    widths = [8, 12, 5] if last_alone else [2, 3, 5]
    assert [len(neurons) for neurons in found] == widths


@pytest.mark.parametrize("name", ["ossum", "neuron_random"])
def test_what_is_left_is_the_smaller_network(name):
    model = net((8, 12))
    x, y = data()
    pruner = neuron_recipes.METHODS[name]()
    pruned = kprune.prune(model, pruner, 0.5, data=(x, y), loss=CE)
    one, two = kept(model, pruner, 0.5)
    small = net((len(one), len(two)))
    old = [layer.get_weights() for layer in model.layers if layer.weights]
    layers = [layer for layer in small.layers if layer.weights]
    layers[0].set_weights([old[0][0][:, one], old[0][1][one]])
    layers[1].set_weights([old[1][0][np.ix_(one, two)], old[1][1][two]])
    layers[2].set_weights([old[2][0][two], old[2][1]])
    np.testing.assert_allclose(pruned(x), small(x), atol=1e-6)


def test_random_neurons_are_others_by_seed():
    model, random = net((64,)), neuron_recipes.neuron_random()
    names = [
        np.packbits(
            random.masks(Objective(model, seed=seed), 0.5)["fc2/kernel"]
        ).tobytes()
        for seed in (0, 0, 1)
    ]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("name", ["ossum", "linear_ossum", "log_ossum"])
def test_norm_goes_first_and_ossum_sees_what_is_left(name):
    model = net((6, 8, 20), seed=3)
    pruner = neuron_recipes.METHODS[f"{name}_norm"]()
    one, two, three = kept(model, pruner, 0.5)
    old = [layer.get_weights() for layer in model.layers if layer.weights]
    # The norms are those of the full network.
    for (kernel, _), neurons in zip(old, (one, two), strict=False):
        norms = np.linalg.norm(kernel, axis=0)
        best = np.argsort(-norms)[: len(norms) // 2]
        assert sorted(best.tolist()) == neurons
    small = net((3, 4, 20))
    layers = [layer for layer in small.layers if layer.weights]
    layers[0].set_weights([old[0][0][:, one], old[0][1][one]])
    layers[1].set_weights([old[1][0][np.ix_(one, two)], old[1][1][two]])
    layers[2].set_weights([old[2][0][two], old[2][1]])
    layers[3].set_weights(old[3])
    last = neuron_recipes.METHODS[name]()
    assert kept(small, last, 0.5)[2] == three
    # On the full network they would be others.
    assert kept(model, last, 0.5)[2] != three


def test_pruners_in_turn_say_what_they_take():
    with pytest.raises(ValueError, match=r"Expected one or more.*'ossum'"):
        Chain(("ossum",))
    with pytest.raises(ValueError, match="Expected one or more"):
        Chain(())
    method = neuron_recipes.ossum_norm()
    with pytest.raises(ValueError, match="`target` is solved for by one"):
        method.masks(None, 0.5, target={"flops": 0.5})


def test_axes_are_replaced_in_all():
    method = neuron_recipes.ossum_norm().with_axes(schedule="cubic")
    assert [p.schedule for p in method.pruners] == ["cubic", "cubic"]
    assert method.schedule == "cubic"
    assert method.criterion == "ossum"
    assert method.grain == kprune.Channel("sum", side="outgoing")


def test_two_hidden_layers_are_the_least_for_norm_first():
    with pytest.raises(ValueError, match="two or more hidden dense layers"):
        kprune.prune(net((6,)), "ossum_norm", 0.5, data=data(), loss=CE)


@pytest.mark.parametrize("name", sorted(neuron_recipes.METHODS))
def test_a_call_by_name(name):
    pruned = kprune.prune(
        net((8, 12)), name, 0.75, data=data(), loss=CE, verbose=0
    )
    last = kprune.get_masks(pruned)["fc2/kernel"]
    assert np.count_nonzero(last.any(axis=0)) == 3


@pytest.mark.parametrize("name", ["linear_ossum", "ossum_norm"])
def test_sparsity_that_grows_while_the_model_trains(name):
    model = kprune.wrap(net((8, 12)))
    model.compile("adam", CE)
    pruning = kprune.callbacks.GradualPruning(
        name, 0.5, every="1it", end="4it", data=data(), loss=CE
    )
    model.fit(*data(), epochs=5, batch_size=15, callbacks=[pruning], verbose=0)
    masks = kprune.get_masks(model)
    assert masks["fc2/kernel"].any(axis=0).sum() == 6
    first = 8 if name == "linear_ossum" else 4
    assert masks["fc1/kernel"].any(axis=0).sum() == first
