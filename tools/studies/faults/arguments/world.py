"""Small models that the calls are given, and whether they are as they were."""

import os
import random
import zlib

import keras
import numpy as np
import tensorflow as tf

import kprune


def _network(seed, first="fc1"):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(6, activation="relu", name=first)(inputs)
    return _compiled(keras.Model(inputs, keras.layers.Dense(3, name="fc2")(x)))


def _convolutional():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, name="conv1")(inputs)
    x = keras.layers.BatchNormalization(name="bn1")(x)
    x = keras.layers.Flatten()(keras.layers.ReLU()(x))
    return _compiled(keras.Model(inputs, keras.layers.Dense(3, name="fc")(x)))


@keras.saving.register_keras_serializable("faults")
class Own(keras.Model):
    """A subclassed model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.fc1 = keras.layers.Dense(4, activation="relu", name="fc1")
        self.fc2 = keras.layers.Dense(3, name="fc2")

    def call(self, x):
        return self.fc2(self.fc1(x))

    def get_config(self):
        return {"name": self.name}


def _own():
    keras.utils.set_random_seed(0)
    model = Own(name="own")
    model(np.zeros((1, 4), "float32"))
    return _compiled(model)


def _compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def _prepared(model):
    if model.compiled:
        model.optimizer.build(model.trainable_variables)
    return model


class World:
    """What the good calls are made of.

    Args:
        directory: A directory that calls may write to.
    """

    def __init__(self, directory):
        self.directory = directory
        self.file = directory / "file.txt"
        self.file.write_text("words\n")
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(12, 4)).astype("float32")
        self.y = np.arange(12) % 3
        self.data = (self.x, self.y)
        self.images = rng.normal(size=(12, 6, 6, 1)).astype("float32"), self.y
        self.model, self.other = _network(0), _network(1)
        pruned = kprune.prune(self.model, "magnitude", 0.5)
        self.wrapped = _prepared(pruned)
        self.masks = kprune.get_masks(pruned)
        self.conv = _convolutional()
        self.pruned_conv = _prepared(
            kprune.prune(self.conv, "magnitude", 0.5, granularity="channel")
        )
        self.own = _own()
        self.plain_staged = _network(0, "stage1_block1_fc")
        self.staged = _prepared(kprune.wrap(self.plain_staged))
        self.learned = _prepared(kprune.select(self.model, "edge_popup", 0.5))
        self.weightless = keras.Sequential(
            [keras.Input((4,)), keras.layers.ReLU()]
        )
        self.weights = {
            name: np.array(w) for name, w in self._kernels(self.model)
        }
        self.after = {name: w + 0.1 for name, w in self.weights.items()}
        self.models, self._prints, self._values = {}, {}, {}
        self._contents = {}
        for name, value in list(vars(self).items()):
            if isinstance(value, keras.Model):
                self._take(name, value)
        self._same = self._comparison()
        self.made = {}

    def _kernels(self, model):
        return [(w.path, w) for w in model.weights if w.name == "kernel"]

    def batches(self):
        """Returns the data as a data set."""
        return tf.data.Dataset.from_tensor_slices(self.data).batch(4)

    def pictures(self):
        """Returns images as a data set."""
        return tf.data.Dataset.from_tensor_slices(self.images).batch(4)

    def once(self, name, make):
        """Returns an object that is made when it is first asked for."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def changed(self):
        """Returns the models that are not what they were, with what differs."""
        now = {name: structure(model) for name, model in self.models.items()}
        if now == self._prints and self._same():
            return {}
        found = {}
        for name, model in self.models.items():
            before = {**self._prints[name], **self._contents[name]}
            what = _differs(before, {**now[name], **contents(model)})
            if what:
                found[name] = what
        return found

    def restore(self):
        """Sets the models back; returns whether that did."""
        for name in self.changed():
            model = self.models[name]
            values = self._values[name]
            found = _variables(model)
            if len(values) == len(found):
                for variable, value in zip(found, values, strict=True):
                    if tuple(variable.shape) == value.shape:
                        variable.assign(value)
            model.stop_training = False
            for wrapper in _wrappers(model):
                wrapper.notes.clear()
        if "own" in self.changed():  # Wrapped in place, as it was asked to be.
            self._take("own", _own())
            self._same = self._comparison()
        return not self.changed()

    def _comparison(self):
        """Returns a function that says whether all variables have the values
        they had: one graph, for it is called after each case."""
        pairs = [
            pair
            for name, model in self.models.items()
            for pair in zip(_variables(model), self._values[name], strict=True)
        ]

        @tf.function
        def same():
            return tf.reduce_all(
                [
                    tf.reduce_all(tf.convert_to_tensor(variable.value) == value)
                    for variable, value in pairs
                ]
            )

        return same

    def _take(self, name, model):
        setattr(self, name, model)
        self.models[name] = model
        self._prints[name] = structure(model)
        self._contents[name] = contents(model)
        self._values[name] = [np.array(v) for v in _variables(model)]


def globals_now():
    """Returns what is global and belongs to the caller."""
    return {
        "floatx": keras.config.floatx(),
        "dtype policy": keras.config.dtype_policy().name,
        "image data format": keras.config.image_data_format(),
        "interactive logging": keras.config.is_interactive_logging_enabled(),
        "eager functions": tf.config.functions_run_eagerly(),
        "strategy": type(tf.distribute.get_strategy()).__name__,
        "directory": os.getcwd(),
        "environment": _hash(repr(sorted(os.environ.items())).encode()),
    }


def random_now():
    """Returns the global random state, for comparison."""
    numpy = np.random.get_state()
    return {
        "Python's random state": hash(random.getstate()),
        "NumPy's random state": (_hash(numpy[1].tobytes()), numpy[2]),
    }


def contents(model):
    """Returns the values of all variables, as checksums, a dict."""
    return {
        f"value {place} {v.path}": _hash(np.asarray(v).tobytes())
        for place, v in enumerate(_variables(model))
    }


def structure(model):
    """Returns what else a call must leave as it was, a dict."""
    found = {
        f"{place} {v.path}": (v.dtype, tuple(v.shape), v.trainable, id(v))
        for place, v in enumerate(_variables(model))
    }
    optimizer = getattr(model, "optimizer", None)
    found["compiled"] = (model.compiled, id(optimizer), id(_loss(model)))
    found["stop"] = getattr(model, "stop_training", False)
    for place, layer in enumerate(model._flatten_layers()):
        found[f"layer {place}"] = (
            layer.name,
            id(layer),
            layer.trainable,
            getattr(layer, "keep_pruned_values", None),
            getattr(layer, "dense_gradients", None),
            repr(getattr(layer, "notes", None)),
            id(getattr(layer, "kernel_regularizer", None)),
            id(getattr(layer, "momentum", None)) and _momentum(layer),
        )
    return found


def _momentum(layer):
    found = getattr(layer, "momentum", None)
    return found if isinstance(found, float) else None


def _wrappers(model):
    layers = model._flatten_layers()
    return [layer for layer in layers if isinstance(layer, kprune.Masked)]


def _loss(model):
    return getattr(model, "loss", None) if model.compiled else None


def _variables(model):
    optimizer = getattr(model, "optimizer", None)
    return [*model.variables, *(optimizer.variables if optimizer else ())]


def _hash(data):
    return zlib.crc32(data)


def _differs(one, other):
    return [n for n in {**one, **other} if one.get(n) != other.get(n)]
