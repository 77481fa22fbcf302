"""Prunes a saved Keras model: a .keras file in, a .keras file out.

  kprune prune --model=in.keras --out=out.keras --method=snip \\
      --sparsity=0.9 --data=cifar10 --batches=10

Data are a set that kprune knows (--data), or arrays x and y that numpy.savez
wrote (--npz). Without them, a method that reads data scores on a synthetic
batch, with a warning. A model that is not compiled is scored on the
cross-entropy that fits its outputs.

The written model keeps its masks: `import kprune` before Keras loads it, and
it trains further at the same sparsity. --strip writes a plain model that loads
without kprune, whose pruned weights are zero. --shrink writes a plain model
that is physically smaller, without the removed channels and units:

  kprune prune --model=in.keras --out=out.keras --method=3sp \\
      --target=flops=0.5 --data=cifar10 --shrink
"""

import ast

from kprune.analysis.report import summary
from kprune.cli import json_files, labelled_data, model_files
from kprune.deploy.shrink import shrink
from kprune.masking.wrapping import strip
from kprune.pruning import allocation
from kprune.pruning.prune import prune
from kprune.runtime.methods import methods


def define(flags):
    flags.string("model", None, "File to read, NAME.keras.")
    flags.require("model", "NAME.keras")
    flags.string("out", None, "File to write, NAME.keras.")
    flags.require("out", "NAME.keras")
    flags.string(
        "method", "magnitude", f"One of {', '.join(methods('prune'))}."
    )
    flags.float("sparsity", None, "Share of the weights to remove, in [0, 1).")
    text = "In place of --sparsity, the share of the cost to leave: flops=0.5 "
    flags.string("target", None, f"{text}or parameters=0.5.")
    text = "Options of the method, or others of kprune.prune: "
    flags.list("options", [], f"{text}key=value,key=value.")
    text = "What to remove as a unit: weight, channel, or N:M as in 2:4."
    flags.string("granularity", None, text)
    flags.string("allocation", None, f"One of {', '.join(allocation.names())}.")
    text = "In place of --allocation: what kprune sensitivity saved, NAME.json."
    flags.string("sensitivity", None, text)
    expected = "one of --allocation and --sensitivity"
    flags.allow_one(["allocation", "sensitivity"], expected)
    flags.integer("rounds", None, "Rounds of scoring and pruning.")
    text = "Weights or layers to leave dense; regular expressions."
    flags.list("exclude", [], text)
    labelled_data.define(flags, "to score on", batch_size=128)
    text = "Batches to score on; in each round, for some methods."
    flags.integer("batches", 1, text)
    flags.integer("seed", 0, "Seed of ties, random scores and batches.")
    text = "Whether to write a plain model"
    flags.boolean("strip", False, f"{text}, without masks.")
    flags.boolean("shrink", False, f"{text} that is smaller.")
    flags.boolean("overwrite", False, "Whether to replace a file at --out.")


def main(flags):
    model = model_files.load(flags.model)
    model_files.check_free(flags.out, flags.model, flags.overwrite)
    pruned = prune(model, **arguments(flags))
    summary(pruned)
    written, how = pruned, "with masks"
    if flags.shrink:
        written, how = shrink(pruned), "smaller, without masks"
    elif flags.strip:
        written, how = strip(pruned), "without masks"
    model_files.save(written, flags.out)
    print(f"\n{flags.out} holds the model, {how}.")


def arguments(flags):
    """Returns the arguments of `kprune.prune` from the flags, as a dict."""
    data = labelled_data.train(flags, flags.seed)
    scoring = {"batch_size": flags.batch_size}
    if data is not None:
        scoring["batches"] = flags.batches
    found = {
        "method": flags.method,
        "sparsity": flags.sparsity,
        "granularity": flags.granularity,
        "allocation": flags.allocation,
        "rounds": flags.rounds,
        "exclude": flags.exclude,
        "seed": flags.seed,
        "data": data,
        "scoring": scoring,
    }
    if flags.sensitivity is not None:
        record = json_files.read(flags.sensitivity)
        found["allocation"] = allocation.sensitivity(record)
    if flags.target is not None:
        found["target"] = options([flags.target], "target")
    given = options(flags.options)
    for key in given:
        if key in found or key in ("batches", "batch_size"):
            raise ValueError(f"Expected --{key}=..., not in --options.")
    return {**found, **given}


def options(pairs, flag="options"):
    """Returns a dict of options: Python literals, `true`, `false`, strings."""
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
