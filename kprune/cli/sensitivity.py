"""Measures a saved model with one layer pruned at a time.

  kprune sensitivity --model=in.keras --data=digits --levels=0.5,0.8,0.9
  kprune sensitivity --model=in.keras --npz=validation.npz --save=found.json

It evaluates on --batches of the training data of a set that kprune knows
(--data), or on arrays x and y (--npz). It never reads the test set, as choices
that rest on the result are selected on its data. A model that is not compiled
is measured by the cross-entropy that fits its outputs.

--save writes the result in the format of its ending: .json, .txt, or .svg and
.png, a heat map, which needs matplotlib. kprune prune --sensitivity=found.json
allocates a sparsity by it. With --directory it resumes where it was stopped.
"""

import json

from kprune.analysis.sensitivity import sensitivity
from kprune.analysis.sensitivity.units import KINDS
from kprune.cli import labelled_data, model_files
from kprune.runtime.methods import methods
from kprune.scoring.batches import Batches


def define(flags):
    flags.string("model", None, "File to read, NAME.keras.")
    flags.require("model", "NAME.keras")
    flags.string(
        "method", "magnitude", f"One of {', '.join(methods('prune'))}."
    )
    flags.list("levels", None, "Sparsities. Default to 0.1, 0.2 ... 0.9.")
    text = "Metric to show. Defaults to the first compiled one, or the loss."
    flags.string("metric", None, text)
    text = "Whether more (max) or less (min) of it is better, or auto."
    flags.string("mode", "auto", text)
    text = f"What is pruned at a time: {', '.join(KINDS)}."
    flags.string("unit", "layer", text)
    text = "What goes as one: weight, channel, or N:M as in 2:4."
    flags.string("granularity", None, text)
    text = "Weights or layers to leave dense; regular expressions."
    flags.list("exclude", [], text)
    labelled_data.define(flags, "whose training data to use", batch_size=128)
    labelled_data.define_json(flags)
    flags.integer("batches", 10, "Batches to measure on.", least=1)
    flags.integer("seed", 0, "Of ties, random scores and batches.")
    text = "Directory to keep what is measured in, and to go on from."
    flags.string("directory", None, text)
    text = "File to write too: NAME.json, NAME.txt, NAME.svg or NAME.png."
    flags.string("save", None, text)


def main(flags):
    data = labelled_data.train(flags, flags.seed)
    if data is None:
        raise ValueError("Expected --data=NAME or --npz=FILE.")
    found = sensitivity(
        model_files.load(flags.model),
        _first(data, flags.batches, flags.batch_size),
        flags.method,
        flags.levels and list(map(_level, flags.levels)),
        flags.metric,
        mode=flags.mode,
        unit=flags.unit,
        granularity=flags.granularity,
        exclude=flags.exclude,
        directory=flags.directory,
        seed=flags.seed,
        verbose=0 if flags.json else "auto",
    )
    if flags.save is not None:
        found.save(flags.save)
    print(json.dumps(found.to_dict()) if flags.json else found)


def _first(data, count, batch_size):
    """Returns the first batches of data, a list."""
    batches = Batches(data, batch_size)
    return [batches.at(place) for place in range(batches.count(count))]


def _level(text):
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"Expected --levels=0.5,0.9 or such. Received: {text!r}"
        ) from None
