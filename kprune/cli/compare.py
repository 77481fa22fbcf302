"""Tells what a smaller model buys: sizes and times, before and after.

  kprune compare --before=dense.keras --after=small.keras

Both are .keras files, or directories of runs, whose models take the same
inputs. They run by turns on made-up inputs, or on the first test batch of
--data or --npz, which a model of open input shape needs.
"""

import json

from kprune.cli import labelled_data, model_files
from kprune.deploy.comparison import compare


def define(flags):
    text = "File to read, NAME.keras, or directory of a run."
    flags.string("before", None, text)
    flags.require("before", "NAME.keras")
    flags.string("after", None, "The one to compare it with.")
    flags.require("after", "NAME.keras")
    labelled_data.define(flags, "whose test inputs to run on", batch_size=32)
    labelled_data.define_json(flags)
    flags.integer("repeats", 11, "Alternations per ratio of times.", least=1)


def main(flags):
    data = labelled_data.test(flags)
    found = compare(
        model_files.load(flags.before),
        model_files.load(flags.after),
        data=data and data[0],
        batch_size=flags.batch_size,
        repeats=flags.repeats,
        verbose=0,
    )
    print(json.dumps(found.to_dict()) if flags.json else found)
