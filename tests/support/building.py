"""Small models with weights set by hand, for the tests of channels."""

import keras
import numpy as np

import kprune
from kprune.masking import weights
from kprune.pruning.granularity.coupled_channels import CoupledChannels


def set_values(model, **values):
    """Sets weights by name, `fc1_kernel=[[1, 0]]`; broadcast to their shape."""
    by_name = {
        f"{layer.name}_{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
    }
    for name, value in values.items():
        variable = by_name[name]
        variable.assign(np.broadcast_to(value, variable.shape))


def randomize(model, seed=0):
    """Gives every weight and statistic a random value; returns the model."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        value = rng.normal(size=variable.shape)
        if variable.name == "moving_variance":
            value = np.abs(value) + 0.5
        variable.assign(value)
    return model


def zeroed(model, axis=-1, **places):
    """Randomizes a model, then zeroes slices of layers' kernels, by name."""
    randomize(model)
    for name, channels in places.items():
        zero_channels(model, name, channels, axis)
    return model


def zero_channels(model, name, channels, axis=-1):
    """Zeroes slices of a layer's kernel."""
    zero_slices(model.get_layer(name).kernel, channels, axis)


def zero_slices(variable, places, axis):
    """Zeroes slices of a variable along an axis."""
    value = np.moveaxis(np.array(variable), axis, 0)
    value[places] = 0
    variable.assign(np.moveaxis(value, 0, axis))


def draw(model, examples=3):
    """Random inputs, not those that the proof draws."""
    shapes = [[examples, *x.shape[1:]] for x in model.inputs]
    rng = np.random.default_rng(5)
    x = [rng.normal(size=shape).astype("float32") for shape in shapes]
    return x if len(x) > 1 else x[0]


def assert_equal_outputs(model, small):
    x = draw(model)
    one = keras.tree.flatten(model(x, training=False))
    other = keras.tree.flatten(small(x, training=False))
    for a, b in zip(one, other, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.std() > 0, "the model's output is constant: tests nothing"
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * np.abs(a).max())


def shrunk(model, function=None):
    """Returns the smaller model, with its outputs checked."""
    small = (function or kprune.shrink)(model, verbose=0)
    assert_equal_outputs(model, small)
    return small


def channels(model, *names):
    """Output channels of layers, by name."""
    found = [model.get_layer(name).output.shape[-1] for name in names]
    return found[0] if len(found) == 1 else found


def pooled(model, scores, **options):
    """Returns the scores of channels that go together, by `kprune.Channel`'s
    options."""
    layouts = {n: w.layout for n, w in weights.prunable(model).items()}
    grouping = CoupledChannels(kprune.Channel(**options), model, layouts)
    alive = {n: np.ones(layout.shape, bool) for n, layout in layouts.items()}
    return dict(grouping.scored_in(scores).pooled(scores, alive, None))
