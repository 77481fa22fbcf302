"""A study: variants and seeds of an experiment, each run once.

The experiment stands in `config.paper.experiment`: a dict with its `name`, its
`kind`, the `variants` by label, which change it, and the `seeds`. Each variant
and seed has a JSON file of its own, so that a study that was stopped goes on.
"""

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Callable

import keras

from kprune import datasets, models
from kprune.runtime import files, lookup, memory, plots


@dataclasses.dataclass(frozen=True)
class Kind:
    """What the studies of a kind compute, and how they show it.

    Args:
        compute: Function of (build, setting, seed, dataset) to a dict, the
            result: `build` returns the model, `setting` is what `settings`
            returns, `dataset` the arguments that load the data.
        report: Function of (experiment, found) to Markdown, where `found` is
            what `run` returns.
        draw: Function of (experiment, found, path of a PNG file), or `None`.
        dataset: Keys of `config.dataset` that the result follows from.
    """

    compute: Callable
    report: Callable
    draw: Callable | None = None
    dataset: tuple = ("name", "normalization")


def experiment_of(config, kinds, example):
    """Returns the experiment of a complete config, as a dict.

    Args:
        config: `ConfigDict`, complete.
        kinds: Dict from the name of a kind to a `Kind`; the experiment is of
            one of them.
        example: Path of a config that has one, for the error.
    """
    experiment = config.paper.to_dict().get("experiment", {})
    if experiment.get("kind") not in kinds:
        raise ValueError(
            "Expected a config with `paper.experiment` of the kind "
            f"{' or '.join(kinds)}, such as {example}. "
            f"Received: {experiment.get('kind')!r}"
        )
    return experiment


def chosen(experiment, labels, seeds):
    """Returns the variants by label and the seeds that are to be run: those
    given as strings, or all of the experiment."""
    variants = experiment["variants"]
    for label in labels or []:
        lookup.choose(label, variants, "variant")
    found = {k: v for k, v in variants.items() if k in (labels or variants)}
    return found, [int(seed) for seed in seeds or experiment["seeds"]]


def settings(config, experiment, variant, seed, keys):
    """Returns all that the result of a variant and a seed follows from."""
    found = {**experiment, **variant}
    for key in ("name", "seeds", "variants"):
        found.pop(key)
    if "training" in experiment:
        changed = variant.get("training", {})
        found["training"] = {**experiment["training"], **changed}
    changed = {**variant.get("model", {}), "seed": seed}
    found["model"] = {**config.model.to_dict(), **changed}
    found["dataset"] = {key: config.dataset[key] for key in keys}
    return found


def run(config, kind, experiment, variants, seeds, runs, data_dir, tell):
    """Computes what there is no file of yet, and returns all results: a dict
    from a variant to the list of its results, by seed.

    `runs` is the directory of all results; `tell` is called with (file name,
    result) for each.
    """
    found = {}
    for label, variant in variants.items():
        found[label] = []
        for seed in seeds:
            setting = settings(config, experiment, variant, seed, kind.dataset)
            name = f"{experiment['name']}-{label}-seed{seed}.json"
            result = stored(
                pathlib.Path(runs, name),
                setting,
                lambda s=setting, n=seed: _compute(kind, s, n, data_dir),
            )
            found[label].append(result)
            tell(name, result)
    return found


def stored(path, settings, compute):
    """Returns the result in a JSON file, computed and written if there is none.

    Args:
        settings: Dict, what the result follows from; that of the file is equal.
        compute: Function without arguments to a dict, which gains `seconds`
            and `peak_gigabytes`, those of the whole process until then.
    """
    path, settings = pathlib.Path(path), json.loads(json.dumps(settings))
    found = files.read_record(path)  # One that is damaged is computed anew.
    if found is not None and {"settings", "result"} <= set(found):
        found["settings"].pop("name", None)  # Some files of 0.1 hold it.
        if found["settings"] != settings:
            raise ValueError(
                f"{path} was computed with other settings. Remove it, or pass "
                "another --runs."
            )
        return found["result"]
    start = time.perf_counter()
    result = compute()
    result["seconds"] = time.perf_counter() - start
    result["peak_gigabytes"] = memory.peak() / 2**30
    files.make_directory(path.parent)
    record = {"settings": settings, "result": result}
    files.write_record(path, record, indent=None)
    return result


def publish(text, base, draw=None):
    """Writes a report in Markdown, and the figure to it if that is possible,
    and returns a sentence on each file.

    `base` is their path without the suffix; `draw` draws a PNG file at a path,
    or is `None`.
    """
    files.make_directory(os.path.dirname(base) or ".")
    files.write_text(f"{base}.md", f"{text}\n")
    told = [f"Written: {base}.md"]
    if draw is not None and plots.missing():
        told.append(plots.missing())
    elif draw is not None:
        draw(f"{base}.png")
        told.append(f"Drawn: {base}.png")
    return told


def _compute(kind, setting, seed, data_dir):
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    info = datasets.info(setting["dataset"]["name"])

    def build():
        return models.get(
            classes=setting.get("outputs", info.classes),
            input_shape=info.input_shape,
            **setting["model"],
        )

    dataset = {**setting["dataset"], "data_dir": data_dir}
    return kind.compute(build, setting, seed, dataset)
