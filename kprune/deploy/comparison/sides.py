"""One side of a comparison: a Keras model or an exported file."""

import functools
import pathlib

import keras
import tensorflow as tf

from kprune.deploy import runtimes
from kprune.deploy.comparison import inputs, running, sizes
from kprune.deploy.exporting import export, formats, proof, staging
from kprune.deploy.exporting.inputs import fixed_batch, flat
from kprune.deploy.exporting.sizes import measure
from kprune.masking import wrapping
from kprune.runtime import keras_internals, paths

KERAS = "keras"


class ModelSide:
    """A Keras model, stripped and not compiled, that runs in Keras.

    Attributes:
        name: Name of the model, or of its file.
        model: The stripped model.
        runtime: Name of the format it runs in.
    """

    runtime = KERAS

    def __init__(self, model, path=None):
        with keras_internals.not_compiled(model):
            self.model = wrapping.strip(model)
        self.name = model.name if path is None else path.name
        self._path = path

    @property
    def batch(self):
        """The batch size it is built for, or `None` for any."""
        return fixed_batch(self.model)

    def specs(self):
        """Returns a flat list of the (shape, dtype) of its inputs."""
        return inputs.specs(self.model)

    def made_up(self, size):
        """Returns a random batch of inputs in the model's structure."""
        return inputs.made_up(self.model, size)

    def outputs(self, x):
        """Returns the flat list of outputs for inputs."""
        return keras.tree.flatten(inputs.outputs(self.model, x))

    def predict(self, x):
        """Returns the outputs as arrays, by a compiled function."""
        return [y.numpy() for y in self._compiled(x)]

    @functools.cached_property
    def _compiled(self):
        def forward(x):
            return keras.tree.flatten(keras_internals.infer(self.model, x))

        return tf.function(forward, autograph=False, reduce_retracing=True)

    def inference(self, x):
        """Returns a function, to be timed, that runs it on inputs."""
        return running.inference(self.model, x)

    def bytes(self):
        """Returns the size of its file in bytes, plain and gzipped."""
        if self._path is not None:
            return measure(self._path)
        return sizes.file_sizes(self.model)

    def write(self, directory):
        """Returns the path of its file, which is written to a directory if
        there is none."""
        return self._path or sizes.write(self.model, directory)

    def in_runtime(self, runtime, path):
        """Returns the side for a runtime; exports to `path` plus the format's
        extension if need be."""
        if runtime == self.runtime:
            return self
        path = path.with_suffix(formats.FORMATS[runtime].suffix)
        export(self.model, path, runtime)
        return FileSide(self.name, path, runtime)

    def reopened(self):
        """Returns the side itself: there is no file to open."""
        return self


class FileSide:
    """An exported file in its own runtime, with the API of `ModelSide`."""

    model = None

    def __init__(self, name, path, runtime):
        self.name, self.runtime = name, runtime
        self._path = path
        self._runner = runtimes.open(path, runtime)

    @property
    def batch(self):
        return self._runner.inputs[0][1][0]

    def specs(self):
        return [(shape, dtype) for _, shape, dtype in self._runner.inputs]

    def made_up(self, size):
        return inputs.made_up_of(self.name, self.specs(), size)

    def outputs(self, x):
        arrays = flat(x)
        try:
            return self._runner(arrays)
        except Exception as error:
            raise ValueError(
                f"File {self.name!r} does not take inputs of shape "
                f"{[one.shape for one in arrays]}: {error}"
            ) from error

    def predict(self, x):
        """Returns the outputs as arrays. A fixed batch size splits inputs into
        batches; an incomplete last one is dropped."""
        return proof.run(self._runner, flat(x))

    def inference(self, x):
        return functools.partial(self._runner, flat(x))

    def bytes(self):
        format = formats.FORMATS[self.runtime]
        return measure(*staging.parts(format, self._path))

    def write(self, directory):
        del directory
        return self._path

    def reopened(self):
        """Returns another side of the same file, opened anew."""
        return FileSide(self.name, self._path, self.runtime)

    def in_runtime(self, runtime, path):
        if runtime == self.runtime:
            return self
        raise ValueError(f"{self.name} runs in {self.runtime} alone")


def of(which, given):
    """Returns the side of a model or path.

    Args:
        which: Name of the argument, for error messages.
        given: A Keras model, or the path of an exported file.

    Raises:
        ValueError: If the file does not exist or cannot be opened.
    """
    if isinstance(given, keras.Model):
        return ModelSide(given)
    path = pathlib.Path(given)
    if not path.exists():
        raise ValueError(
            f"Expected `{which}` to be a keras.Model, or the path of a file "
            f"that kprune exports. There is no such file: {path}"
        )
    runtime = runtimes.format_of(path)
    if runtime not in (KERAS, "packed"):
        return FileSide(path.name, path, runtime)
    return ModelSide(runtimes.open(path, runtime).model, path)


def check(name, value):
    """Returns a model or a path; raises `ValueError` for anything else."""
    if isinstance(value, keras.Model):
        return value
    try:
        return paths.path(name, value)
    except ValueError:
        raise ValueError(
            f"Expected `{name}` to be a keras.Model, or the path of a file "
            f"that kprune exports. Received: {type(value).__name__}"
        ) from None
