"""Tells what a smaller model buys: sizes and times, before and after.

  python tools/compare.py --before=dense.keras --after=small.keras

Both are .keras files, or directories of runs, whose models take the same
inputs. They run by turns on made-up inputs, or on the first test batch of
--data or --npz, which a model of open input shape needs.
"""

import json

import command_line
import labelled_data
import saved_models
from absl import app, flags

import kprune

_BEFORE = flags.DEFINE_string("before", None, "File to read, NAME.keras.")
_AFTER = flags.DEFINE_string("after", None, "The one to compare it with.")
_DATA = labelled_data.LabelledData("whose test inputs to run on")
_DATA_DIR = command_line.define_data_dir()
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Examples in a batch.", lower_bound=1
)
_REPEATS = flags.DEFINE_integer(
    "repeats", 11, "Alternations per ratio of times.", lower_bound=1
)
_JSON = flags.DEFINE_boolean(
    "json", False, "Whether to print a line of JSON, with all digits."
)
flags.mark_flags_as_required(["before", "after"])


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        data = _DATA.test(_BATCH_SIZE.value, _DATA_DIR.value)
        found = kprune.compare(
            saved_models.load(_BEFORE.value),
            saved_models.load(_AFTER.value),
            data=data and data[0],
            batch_size=_BATCH_SIZE.value,
            repeats=_REPEATS.value,
            verbose=0,
        )
    print(json.dumps(found.to_dict()) if _JSON.value else found)


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
