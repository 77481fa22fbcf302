"""Measures what kprune costs, as ratios, and prints a Markdown table.

  python tools/benchmark.py
  python tools/benchmark.py --rows=snip,grasp --networks=resnet20 --repeats=5

Each ratio is taken in one process, with what it is compared to run in
alternation: before, between and after. The figures are the median over the
repeats and the spread of its middle half. Absolute times and memory are for
scale only: they belong to the machine. Peak memory is that of a fresh process
that scores once, Python, TensorFlow and tracing included.
"""

import json
import os
import platform

import keras
import tensorflow as tf

import kprune
from benchmark import (
    analysis_rows,
    call_rows,
    calls,
    deployment_rows,
    model_rows,
    one_shot,
    one_shot_rows,
    score_rows,
    scorings,
)
from benchmark.measurements import HEAD
from benchmark.score_rows import in_gradients
from kprune.runtime import lookup, tables

ROWS = {
    "calls": call_rows.whole_calls,
    "training_step": model_rows.training_step,
    "pruning_while_training": model_rows.pruning_while_training,
    "mask_update": model_rows.mask_update,
    "snip": in_gradients("snip", "snip scores", "<= 1.15"),
    "grasp": in_gradients("grasp", "grasp scores", "<= 3.5"),
    "force": in_gradients("force", "FORCE T = 60, all", "<= 66", "snip"),
    "synflow": in_gradients("synflow", "SynFlow T = 100, all", warm_up="flow"),
    "synflow_round": score_rows.synflow_round,
    "prospr": score_rows.prospr,
    "prospr_memory": score_rows.prospr_memory,
    "one_shot": one_shot_rows.one_shot,
    "shrink": model_rows.shrink,
    "compact": model_rows.compact,
    "deployment": deployment_rows.deployment,
    "overhead": model_rows.overhead,
    "sensitivity": analysis_rows.sensitivity,
    "traces": score_rows.traces,
    "tracing": score_rows.tracing,
    "top_k": score_rows.top_k,
    "import_time": model_rows.import_time,
}


def define(flags):
    flags.list("rows", list(ROWS), "Rows to measure. Defaults to all.")
    text = "Networks, by name in kprune.models."
    flags.list("networks", ["resnet20", "vgg16"], text)
    text = "Networks of the row `mask_update`, by name in kprune.models."
    names = ["resnet20", "vgg16", "resnet50"]
    flags.list("updated_networks", names, text)
    text = "Networks of the row `shrink`, by name in kprune.models."
    flags.list("shrunk_networks", ["resnet18", "vgg16"], text)
    flags.integer("layers", 400, "Layers of the row `overhead`.", least=1)
    flags.integer("repeats", 21, "Alternations per ratio.", least=1)
    text = "Alternations, at most, per ratio of what takes ten gradients or "
    flags.integer("long_repeats", 5, f"{text}more.", least=1)
    flags.integer("batch_size", 128, "Examples.", least=1)
    text = "Whether to add the peak memory of each scoring."
    flags.boolean("memory", True, text)
    text = (
        "Runs this scoring alone, once, on the network given, and prints as "
        "JSON the most memory held before it and in all, in bytes. The rows "
        "start themselves so, each time in a fresh process."
    )
    flags.string("memory_of", None, text)
    text = "Methods of the row `calls`."
    flags.list("calls", list(calls.OPTIONS), text)
    text = "Fresh processes of the row `calls`, for each method and network."
    flags.integer("processes", 1, text, least=1)
    text = "Seconds after which none of them begins but the first, or 0."
    flags.integer("seconds", 0, text)
    text = (
        "A command that times calls of other code, by turns with the row "
        "`calls`. Given a method, a network, the number of examples and that "
        'of later calls, it prints as JSON seconds: {"first": number, "later": '
        "list}."
    )
    flags.string("beside", None, text)
    text = "Times calls of this method alone, and prints them as JSON."
    flags.string("call_of", None, text)
    text = "Sizes of transformers of the row `one_shot`, for Wanda and for "
    text += f"SparseGPT, of {', '.join(one_shot.SIZES)}."
    flags.list("transformers", ["large", "small"], text)
    text = "Sequences that the row `one_shot` prunes by."
    flags.integer("sequences", 32, text, least=1)
    text = "Prunes a transformer alone, METHOD,SIZE,inplace or copy, and "
    text += "prints what that takes as JSON."
    flags.list("one_shot_of", None, text)


def main(flags):
    if flags.memory_of is not None:
        (network,) = flags.networks
        found = scorings.memory_of(flags.memory_of, network, flags.batch_size)
        print(json.dumps(found))
        return
    if flags.call_of is not None:
        (network,) = flags.networks
        given = flags.call_of, network, flags.batch_size, flags.repeats
        print(json.dumps(calls.times_of(*given)))
        return
    if flags.one_shot_of is not None:
        given = *flags.one_shot_of, flags.sequences
        found = one_shot.costs(*given)
        print(json.dumps(found))
        return
    for name in flags.rows:
        lookup.choose(name, ROWS, "row")
    for name in flags.calls:
        lookup.choose(name, calls.OPTIONS, "call")
    print(
        f"kprune {kprune.__version__}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, {os.cpu_count()} cores, {platform.machine()}, "
        f"batch {flags.batch_size}, median of {flags.repeats}, of "
        f"{min(flags.repeats, flags.long_repeats)} where one takes ten "
        "gradients or more\n"
    )
    print(tables.markdown(HEAD, [], words=len(HEAD)))
    for name, row in ROWS.items():
        if name in flags.rows:
            for one in row(flags):
                print(tables.markdown_row(one.cells()), flush=True)
