"""OSSuM's experiments, one config each: results, a table and a plot.

  python tools/ossum.py --config=configs/ossum/two_layers.py --runs=runs/ossum

Under --runs each setting and seed has a JSON file of its own; the same command
goes on where it was stopped. At the end come a table in Markdown, which is
also written there, and a plot, if matplotlib is installed. What is run stands
in `config.paper.experiment`.
"""

import os

import command_line
import drawing
import keras
import studies
from absl import app, flags
from neurons import curves, deep, figures, search, tables

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

_KINDS = {
    "curves": curves.curves,
    "untrained": deep.untrained,
    "then_trained": deep.then_trained,
    "after_training": deep.after_training,
    "search": search.search,
}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        experiment = experiment_of(_CONFIG.value)
        variants, seeds = studies.chosen(
            experiment, _VARIANTS.value, _SEEDS.value
        )
        found = {}
        for label, variant in variants.items():
            found[label] = [
                result(label, variant, experiment, seed) for seed in seeds
            ]
    text = report(experiment, found)
    print(f"\n{text}")
    base = os.path.join(_RUNS.value, experiment["name"])
    with open(f"{base}.md", "w") as file:
        file.write(f"{text}\n")
    print(f"\nWritten: {base}.md")
    if drawing.missing():
        print(drawing.missing())
        return
    draw(experiment, found, f"{base}.png")
    print(f"Drawn: {base}.png")


def experiment_of(config):
    """Returns the experiment of a config, or says that it has none."""
    experiment = config.paper.to_dict().get("experiment")
    if experiment is None:
        raise ValueError(
            "Expected a config with `paper.experiment`, such as "
            "configs/ossum/two_layers.py."
        )
    return experiment


def result(label, variant, experiment, seed):
    """Returns what a setting and seed give, as stored."""
    config = _CONFIG.value
    options = {**config.model.to_dict(), **variant.get("model", {})}
    options["seed"] = seed
    this = {**experiment, **variant, "model": options}
    for key in ("variants", "seeds", "name"):
        this.pop(key)
    dataset = {key: config.dataset[key] for key in ("name", "normalization")}

    def compute():
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        # First, as what it takes to load is free again for the model.
        data = kprune.datasets.load_arrays(**dataset, data_dir=_DATA_DIR.value)
        info = kprune.datasets.info(dataset["name"])
        model = kprune.models.get(
            classes=info.classes, input_shape=info.input_shape, **options
        )
        given = _KINDS[experiment["kind"]](model, this, seed, data)
        return given if "points" in given else {"series": given}

    name = f"{experiment['name']}-{label}-seed{seed}.json"
    path = os.path.join(_RUNS.value, name)
    found = studies.stored(path, {**this, "dataset": dataset}, compute)
    print(
        f"{name}: {found['seconds']:.0f} s, peak of the process "
        f"{found['peak_gigabytes']:.1f} GiB",
        flush=True,
    )
    return found


def report(experiment, found):
    """Returns the results of all variants as Markdown."""
    parts = []
    for label, results in found.items():
        if len(found) > 1:
            parts.append(f"**{label}**")
        if "points" in results[0]:
            parts.append(tables.best(results))
        else:
            kept = kept_in(experiment, label)
            parts.append(tables.table(tables.gathered(results), kept))
    return "\n\n".join(parts)


def kept_in(experiment, label):
    """Returns the numbers of neurons that a variant keeps."""
    return {**experiment, **experiment["variants"][label]}["kept"]


def draw(experiment, found, path):
    """Draws the results into a PNG file."""
    first = next(iter(found.values()))
    if "points" in first[0]:
        figures.scatter(first[0]["points"], path)
        return
    panels = {
        label: (tables.gathered(results), kept_in(experiment, label))
        for label, results in found.items()
    }
    figures.curves(panels, path)


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
