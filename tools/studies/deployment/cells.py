"""One cell of the matrix: a model as a file, measured in its own runtime."""

import collections
import dataclasses
import functools
import os
import pathlib

import keras

import kprune
from kprune.deploy import runtimes
from kprune.deploy.comparison import running
from kprune.deploy.comparison.timing import compare_times
from kprune.deploy.exporting import formats, proof
from kprune.masking import made_up
from kprune.runtime.words import one_line


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file: a format, and how it is quantized."""

    format: str
    quantize: str | None = None

    @property
    def title(self):
        """What a table calls it."""
        return " ".join(filter(None, (self.format, self.quantize)))

    @property
    def missing(self):
        """Names of the packages that it needs and that are not installed."""
        return formats.FORMATS[self.format].missing

    def path(self, directory, name):
        """Returns the path of a file of a name."""
        suffix = formats.FORMATS[self.format].suffix
        return pathlib.Path(directory, name + suffix)


KINDS = {
    "saved_model": Kind("saved_model"),
    "keras": Kind("keras"),
    "packed": Kind("packed"),
    "litert": Kind("litert"),
    "litert_float16": Kind("litert", "float16"),
    "litert_dynamic_int8": Kind("litert", "dynamic_int8"),
    "litert_int8": Kind("litert", "int8"),
    "onnx": Kind("onnx"),
    "openvino": Kind("openvino"),
}


@dataclasses.dataclass(frozen=True)
class Deployed:
    """A file that was written, or why it was not.

    Attributes:
        record: Dict of what JSON can hold: `refused`, or `error`, `allowed`,
            `bytes`, `gzipped`, `stored` and `notes`.
        run: Function without arguments that runs it on one example; `None` if
            it was refused.
    """

    record: dict
    run: object = None


def deploy(model, kind, path, data, held_out):
    """Exports a model, and runs what was written on examples that the export
    did not see.

    Args:
        model: A plain Keras model of one input.
        kind: `Kind`.
        path: Where to write.
        data: Array of inputs, to prove the file on, and to find ranges with.
        held_out: Array of inputs, to measure the error on.
    """
    try:
        exported = kprune.export(
            model,
            path,
            kind.format,
            quantize=kind.quantize,
            representative_data=data,
        )
    except ValueError as error:
        return Deployed({"refused": one_line(error)})
    runner = runtimes.open(path, kind.format)
    found = proof.run(runner, [held_out])
    error = made_up.difference(
        made_up.outputs(model, [held_out]), found, least=1.0
    )
    stored = collections.Counter(row.stored for row in exported.rows)
    record = {
        "error": error,
        "allowed": exported.tolerance,
        "bytes": exported.bytes,
        "gzipped": exported.gzipped,
        "stored": dict(stored),
        "notes": exported.notes,
    }
    return Deployed(record, _timed(runner, held_out[:1]))


def _timed(runner, x):
    """Returns a function that runs a file on one example: a model of Keras is
    compiled first, and LiteRT does not copy the example again."""
    if runner.model is not None:
        return running.inference(runner.model, keras.ops.convert_to_tensor(x))
    runner([x])
    return runner.again or functools.partial(runner, [x])


def compare(before, after, repeats):
    """Returns the record of a pruned model's file, with the times of it and of
    the dense model's, by turns, if there are both."""
    if before.run is None or after.run is None:
        return after.record
    found = compare_times(before.run, after.run, repeats)
    return {
        **after.record,
        "faster": found.ratio,
        "middle_half": found.spread,
        "ms": [1000 * found.before, 1000 * found.after],
        "load": os.getloadavg()[0],
    }


def is_wrong(record):
    """Whether a file that was written does not give the model's outputs on the
    examples held out; NaN is wrong."""
    if "refused" in record:
        return False
    return not (record["error"] <= record["allowed"])
