"""Networks whose weights are never trained: which of them compute is learned.

  python tools/select_subnet.py --config=configs/selection/supermask.py \\
      --runs=runs/selection

Under --runs each setting and seed has a JSON file of its own; the same command
goes on where it was stopped. At the end comes a table in Markdown, which is
also written there. What is run stands in `config.paper.experiment`.
"""

import os

import command_line
import keras
import studies
from absl import app, flags
from selecting import subnetworks, tables, tasks

import kprune

_CONFIG = command_line.define_config()
_DATA_DIR = command_line.define_data_dir()
_RUNS = flags.DEFINE_string("runs", None, "Directory of all results.")
_SEEDS = flags.DEFINE_list(
    "seeds", None, "Whole numbers. Default to those of the config."
)
_VARIANTS = flags.DEFINE_list(
    "variants", None, "Which of the config's variants to run. Default to all."
)
flags.mark_flag_as_required("runs")

_TABLES = {"subnetwork": tables.subnetworks, "tasks": tables.tasks}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        experiment = experiment_of(_CONFIG.value)
        variants, seeds = studies.chosen(
            experiment, _VARIANTS.value, _SEEDS.value
        )
        found = {
            label: [result(label, variant, seed) for seed in seeds]
            for label, variant in variants.items()
        }
    text = _TABLES[experiment["kind"]](found)
    print(f"\n{text}")
    path = os.path.join(_RUNS.value, f"{experiment['name']}.md")
    with open(path, "w") as file:
        file.write(f"{text}\n")
    print(f"\nWritten: {path}")


def experiment_of(config):
    """Returns the experiment of a config, or says that it has none."""
    experiment = config.paper.to_dict().get("experiment", {})
    if experiment.get("kind") not in _TABLES:
        raise ValueError(
            "Expected a config with `paper.experiment` of a selection, such "
            "as configs/selection/supermask.py."
        )
    return experiment


def result(label, variant, seed):
    """Returns what a setting and seed give, as stored."""
    config = _CONFIG.value
    experiment = config.paper.experiment.to_dict()
    training = {**experiment["training"], **variant.get("training", {})}
    this = {**experiment, **variant, "training": training}
    for key in ("variants", "seeds"):
        this.pop(key)
    this["model"] = {**config.model.to_dict(), "seed": seed}
    keys = ("name", "normalization", "augment")
    this["dataset"] = {key: config.dataset[key] for key in keys}
    path = os.path.join(
        _RUNS.value, f"{experiment['name']}-{label}-seed{seed}.json"
    )
    found = studies.stored(path, this, lambda: compute(this, seed))
    print(f"{path}: {found['seconds']:.0f} s", flush=True)
    return found


def compute(experiment, seed):
    """Returns what an experiment gives."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    dataset = {**experiment["dataset"], "data_dir": _DATA_DIR.value}
    info = kprune.datasets.info(dataset["name"])
    model = kprune.models.get(
        classes=experiment.get("outputs", info.classes),
        input_shape=info.input_shape,
        **experiment["model"],
    )
    if experiment["kind"] == "subnetwork":
        return subnetworks.subnetwork(model, experiment, seed, dataset)
    dataset.pop("augment")
    arrays = kprune.datasets.load_arrays(**dataset)
    return tasks.permuted(model, experiment, seed, arrays)


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
