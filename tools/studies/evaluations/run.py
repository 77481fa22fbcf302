"""Four evaluations of pruned networks, on small networks.

  python tools/studies/run.py evaluations --workdir=DIRECTORY \\
      --data_dir=DIRECTORY

Each experiment of a seed is a file of the directory, and not run again. At the
end come tables in Markdown, with a test of each difference over the seeds.
"""

import os

import keras

from evaluations import double_descent, exploration, recalibration, width
from kprune.experiment import directory
from kprune.runtime import files, lookup, user_warnings

EXPERIMENTS = {
    "double_descent": double_descent,
    "exploration": exploration,
    "width": width,
    "recalibration": recalibration,
}


def define(flags):
    flags.string("workdir", None, "Directory of all results.")
    flags.require("workdir", "DIRECTORY")
    flags.string("data_dir", None, "Directory of the data sets.")
    flags.list("experiments", list(EXPERIMENTS), "What to run.")
    flags.list("seeds", ["0", "1", "2"], "Of weights, batches and labels.")
    text = "Whether to do all in the small, with what sizes do not matter to."
    flags.boolean("quick", False, text)


def main(flags):
    for name in flags.experiments:
        lookup.choose(name, EXPERIMENTS, "experiment")
    config = {"study": "evaluations", "quick": flags.quick}
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})
    for name in flags.experiments:
        found = [result(flags, name, int(seed)) for seed in flags.seeds]
        experiment = EXPERIMENTS[name]
        text = experiment.report(found)
        print(f"\n## {experiment.TITLE}\n\n{text}", flush=True)


def result(flags, name, seed):
    """Returns the results of an experiment from a seed, run if need be."""
    path = os.path.join(flags.workdir, f"{name}_{seed}.json")
    record = files.read_record(path)
    if record is None:
        print(f"{name}, seed {seed}", flush=True)
        keras.utils.set_random_seed(seed)
        with user_warnings.silenced():
            rows = EXPERIMENTS[name].measured(seed, flags.data_dir, flags.quick)
        record = {"rows": rows}
        files.write_record(path, record)
    return record["rows"]
