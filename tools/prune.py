"""Prunes a saved Keras model: a .keras file in, a .keras file out.

  python tools/prune.py --model=in.keras --out=out.keras --method=snip \\
      --sparsity=0.9 --data=cifar10 --batches=10

Data are a set that kprune knows (--data), or arrays x and y that numpy.savez
wrote (--npz). Without them, a method that looks at data does so on a synthetic
batch, with a warning. A model that is not compiled is scored on the
cross-entropy that fits its outputs.

The model that is written keeps its masks: `import kprune` before Keras loads
it, and it trains on as sparse as it is. --strip writes a plain one, with zeros
for what is pruned, that loads without kprune. --shrink writes a plain one that
is physically smaller, without the channels and units that are gone:

  python tools/prune.py --model=in.keras --out=out.keras --method=3sp \\
      --target=flops=0.5 --data=cifar10 --shrink
"""

import ast

import command_line
import labelled_data
import saved_models
from absl import app, flags

import kprune

_MODEL = flags.DEFINE_string("model", None, "File to read, NAME.keras.")
_OUT = flags.DEFINE_string("out", None, "File to write, NAME.keras.")
_METHOD = flags.DEFINE_string(
    "method", "grasp", f"One of {', '.join(kprune.methods())}."
)
_SPARSITY = flags.DEFINE_float(
    "sparsity", None, "Share of the weights to remove, in [0, 1)."
)
_TARGET = flags.DEFINE_string(
    "target",
    None,
    "In place of --sparsity, the share of the cost to leave: flops=0.5 or "
    "parameters=0.5.",
)
_OPTIONS = flags.DEFINE_list(
    "options",
    [],
    "Options of the method, or others of kprune.prune: key=value,key=value.",
)
_GRANULARITY = flags.DEFINE_string(
    "granularity", None, "What goes as one: weight, channel, or N:M as in 2:4."
)
_ALLOCATION = flags.DEFINE_string(
    "allocation", None, f"One of {', '.join(kprune.allocation.names())}."
)
_ROUNDS = flags.DEFINE_integer("rounds", None, "Rounds of score and prune.")
_EXCLUDE = flags.DEFINE_list(
    "exclude", [], "Weights or layers to leave dense; regular expressions."
)
_DATA = labelled_data.LabelledData("to score on")
_DATA_DIR = command_line.define_data_dir()
_BATCHES = flags.DEFINE_integer(
    "batches", 1, "Batches to score on; in each round, for some methods."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Examples in a batch.")
_SEED = flags.DEFINE_integer("seed", 0, "Of ties, random scores and batches.")
_STRIP = flags.DEFINE_boolean(
    "strip", False, "Whether to write a plain model, without masks."
)
_SHRINK = flags.DEFINE_boolean(
    "shrink", False, "Whether to write a plain model that is smaller."
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Whether to replace a file at --out."
)
flags.mark_flags_as_required(["model", "out"])


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        model = saved_models.load(_MODEL.value)
        saved_models.check_free(_OUT.value, _MODEL.value, _OVERWRITE.value)
        pruned = kprune.prune(model, **arguments())
        kprune.summary(pruned)
        written, how = pruned, "with masks"
        if _SHRINK.value:
            written, how = kprune.shrink(pruned), "smaller, without masks"
        elif _STRIP.value:
            written, how = kprune.strip(pruned), "without masks"
        saved_models.save(written, _OUT.value)
    print(f"\n{_OUT.value} holds the model, {how}.")


def arguments():
    """Returns what the flags ask of `kprune.prune`."""
    data = _DATA.train(_BATCH_SIZE.value, _SEED.value, _DATA_DIR.value)
    found = {
        "method": _METHOD.value,
        "sparsity": _SPARSITY.value,
        "granularity": _GRANULARITY.value,
        "allocation": _ALLOCATION.value,
        "rounds": _ROUNDS.value,
        "exclude": _EXCLUDE.value,
        "batch_size": _BATCH_SIZE.value,
        "seed": _SEED.value,
    }
    if data is not None:
        found.update(data=data, batches=_BATCHES.value)
    if _TARGET.value is not None:
        found["target"] = options([_TARGET.value], "target")
    given = options(_OPTIONS.value)
    for key in given:
        if key in found or key in ("data", "batches"):
            raise ValueError(f"Expected --{key}=..., not in --options.")
    return {**found, **given}


def options(pairs, flag="options"):
    """Returns options as a dict: numbers, booleans, `None`, else strings."""
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"Expected --{flag}=key=value. Received: {pair!r}")
        if text in ("true", "false"):
            text = text.capitalize()
        try:
            found[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            found[key] = text
    return found


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
