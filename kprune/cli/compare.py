"""Compares the size and speed of two models or files.

  kprune compare --before=dense.keras --after=small.keras
  kprune compare dense.keras small.tflite --data=digits --save=page.html

Each is a file that kprune exports, which runs in its own runtime, or the
directory of a run. Both models must take the same inputs. They run alternately
on made-up inputs, or on the first test batch of --data or --npz, which a model
of open input shape needs. Accuracy is measured on up to 10,000 test examples.
"""

import json
import pathlib

from kprune.cli import labelled_data, model_files
from kprune.deploy.comparison import compare
from kprune.experiment import directory


def define(flags):
    text = "File to read, or directory of a run. Its name may stand alone."
    flags.positional("before", "NAME.keras", text)
    text = "The one to compare it with. Its name may stand alone."
    flags.positional("after", "NAME.keras", text)
    text = "Runtimes to compare models in, such as keras,litert,onnx,openvino. "
    text += "Defaults to those of the files."
    flags.list("runtimes", None, text)
    labelled_data.define(flags, "whose test inputs to run on", batch_size=32)
    labelled_data.define_json(flags)
    flags.integer("repeats", 11, "Alternations per ratio of times.", least=1)
    text = "New processes to time inference in; by default, this one."
    flags.integer("processes", None, text, least=1)
    text = (
        "Whether to measure the memory of each file, in a process of its own."
    )
    flags.boolean("peak_memory", False, text)
    text = "File to write too: NAME.html, a page with bars, .md, .json or .txt."
    flags.string("save", None, text)


def main(flags):
    data = labelled_data.test(flags)
    found = compare(
        _model(flags.before),
        _model(flags.after),
        data=data and data[0],
        runtimes=flags.runtimes,
        batch_size=flags.batch_size,
        repeats=flags.repeats,
        processes=flags.processes,
        peak_memory=flags.peak_memory,
        verbose=0,
    )
    if flags.save is not None:
        found.save(flags.save)
    print(json.dumps(found.to_dict()) if flags.json else found)


def _model(path):
    """Returns the model in a run's directory, or the path of a file."""
    path = pathlib.Path(path)
    return (
        model_files.load(path) if (path / directory.CONFIG).exists() else path
    )
