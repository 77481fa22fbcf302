"""Neurons by norm, at random, and by OSSuM after norm."""

import itertools

import numpy as np
import pytest
from networks import CE, examples

import kprune
from kprune.pruning import recipes
from kprune.pruning.chain import Chain
from kprune.scoring.objective import Objective

LAST_ALONE = ("ossum", "linear_ossum", "log_ossum")
NAMES = [
    name
    for name in kprune.methods("prune")
    if "ossum" in name or name.startswith("neuron_")
]


def net(widths, seed=0):
    return kprune.models.fc(widths, input_shape=(5,), classes=3, seed=seed)


def data():
    return examples(30, 5, seed=1)


def kept(model, pruner, sparsity):
    """Returns which neurons of each hidden layer a method keeps."""
    masks = pruner.masks(Objective(model, data(), CE), sparsity)
    found = []
    for made, read in itertools.pairwise(masks):
        stays = masks[made].any(axis=0)
        # A neuron goes with all that it reads and all that reads it.
        np.testing.assert_array_equal(stays, masks[read].any(axis=1))
        found.append(np.flatnonzero(stays).tolist())
    return found


def smaller(model, *kept):
    """Returns the network of the neurons that each hidden layer keeps."""
    small = net([len(neurons) for neurons in kept])
    layers, read, values = (
        [x for x in model.layers if x.weights],
        slice(None),
        [],
    )
    for layer, stays in zip(layers, [*kept, slice(None)], strict=True):
        kernel, bias = layer.get_weights()
        values += [kernel[read][:, stays], bias[stays]]
        read = stays
    small.set_weights(values)
    return small


def test_norm_is_of_what_a_neuron_reads_without_its_bias():
    model = net((4,))
    kernel = np.zeros((5, 4))
    kernel[:2, 0] = 3, 4  # Norm 5, sum of absolute values 7.
    kernel[:, 1] = 1.5  # Norm 3.4, sum 7.5.
    kernel[0, 2] = -6  # Norm 6.
    model.get_layer("fc1").set_weights([kernel, np.array([0, 0, 0, 100])])
    norm = recipes.get("neuron_norm")
    for sparsity, stay in [(0.25, [0, 1, 2]), (0.5, [0, 2]), (0.75, [2])]:
        assert kept(model, norm, sparsity) == [stay]


@pytest.mark.parametrize("name", NAMES)
def test_each_hidden_layer_loses_the_same_share(name):
    given = {"data": data(), "loss": CE, "verbose": 0}
    pruned = kprune.prune(net((8, 12, 20)), name, 0.75, **given)
    masks = list(kprune.get_masks(pruned).values())
    widths = [8, 12, 5] if name in LAST_ALONE else [2, 3, 5]
    assert [mask.any(axis=0).sum() for mask in masks[:-1]] == widths
    # The next layer reads what is left, and nothing else.
    sizes = [mask.sum() for mask in masks]
    assert sizes == [a * b for a, b in itertools.pairwise([5, *widths, 3])]


@pytest.mark.parametrize("name", ["ossum", "neuron_random"])
def test_what_is_left_is_the_smaller_network(name):
    model, (x, y) = net((8, 12)), data()
    pruner = recipes.get(name)
    pruned = kprune.prune(model, pruner, 0.5, data=(x, y), loss=CE)
    small = smaller(model, *kept(model, pruner, 0.5))
    np.testing.assert_allclose(pruned(x), small(x), atol=1e-6)


def test_random_neurons_are_others_by_seed():
    model, random = net((64,)), recipes.get("neuron_random")
    one, again, other = (
        random.masks(Objective(model, seed=seed), 0.5)["fc2/kernel"]
        for seed in (0, 0, 1)
    )
    assert (one == again).all() and (one != other).any()


@pytest.mark.parametrize("name", LAST_ALONE)
def test_norm_goes_first_and_ossum_sees_what_is_left(name):
    model = net((6, 8, 20), seed=3)
    one, two, three = kept(model, recipes.get(f"{name}_norm"), 0.5)
    # The norms are those of the full network.
    layers = [layer for layer in model.layers if layer.weights]
    for layer, neurons in zip(layers, (one, two), strict=False):
        norms = np.linalg.norm(layer.kernel, axis=0)
        best = np.argsort(-norms)[: len(norms) // 2]
        assert sorted(best.tolist()) == neurons
    small = smaller(model, one, two, list(range(20)))
    last = recipes.get(name)
    assert kept(small, last, 0.5)[2] == three
    # On the full network they would be others.
    assert kept(model, last, 0.5)[2] != three


def test_pruners_in_turn_say_what_they_take():
    for pruners in (("ossum",), ()):
        with pytest.raises(ValueError, match="one or more"):
            Chain(pruners)
    method = recipes.get("ossum_norm")
    with pytest.raises(ValueError, match="`target` is solved for by one"):
        method.masks(None, 0.5, target={"flops": 0.5})


def test_axes_are_replaced_in_all():
    method = recipes.get("ossum_norm", schedule="cubic")
    assert [p.schedule for p in method.pruners] == ["cubic", "cubic"]
    assert method.schedule == "cubic"
    assert method.criterion == "ossum"
    assert method.grain == kprune.Channel("sum", side="outgoing")


def test_two_hidden_layers_are_the_least_for_norm_first():
    with pytest.raises(ValueError, match="two or more hidden dense layers"):
        kprune.prune(net((6,)), "ossum_norm", 0.5, data=data(), loss=CE)


@pytest.mark.parametrize("name", ["linear_ossum", "ossum_norm"])
def test_sparsity_that_grows_while_the_model_trains(name):
    model, (x, y) = kprune.wrap(net((8, 12))), data()
    model.compile("adam", CE, run_eagerly=True)
    given = {"every": "1it", "end": "4it", "data": (x, y), "loss": CE}
    pruning = kprune.callbacks.GradualPruning(name, 0.5, **given)
    options = {"epochs": 3, "batch_size": 15, "callbacks": [pruning]}
    model.fit(x, y, verbose=0, **options)
    masks = kprune.get_masks(model)
    assert masks["fc2/kernel"].any(axis=0).sum() == 6
    first = 8 if name == "linear_ossum" else 4
    assert masks["fc1/kernel"].any(axis=0).sum() == first
