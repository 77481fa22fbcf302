"""A study: variants and seeds of an experiment, each run once.

`config.paper.experiment` describes the experiment: a dict with its `name`, its
`kind`, the `variants`, a dict from labels to changes of it, and the `seeds`.
Each variant and seed has its own JSON file, so that a stopped study resumes.
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
    """A kind of study: how to compute, report and draw its results.

    Args:
        compute: Function of (build, setting, seed, dataset) to a dict, the
            result: `build` returns the model, `setting` comes from `settings`,
            and `dataset` holds the arguments of `kprune.datasets.load`.
        report: Function of (experiment, found) to Markdown, where `run`
            returns `found`.
        draw: Function of (experiment, found, path of a PNG file), or `None`.
        dataset: Keys of `config.dataset` that the result depends on.
    """

    compute: Callable
    report: Callable
    draw: Callable | None = None
    dataset: tuple = ("name", "normalization")


def experiment_of(config, kinds, example):
    """Returns the experiment of a complete config, as a dict.

    Args:
        config: `ConfigDict`, complete.
        kinds: Dict from the name of a kind to a `Kind`.
        example: Path of a config with an experiment, for the error.

    Raises:
        ValueError: If the config has no experiment of these kinds.
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
    """Returns the chosen variants, a dict by label, and seeds of an experiment.

    `labels` and `seeds` are lists of strings, or `None` for all.
    """
    variants = experiment["variants"]
    for label in labels or []:
        lookup.choose(label, variants, "variant")
    found = {k: v for k, v in variants.items() if k in (labels or variants)}
    return found, [int(seed) for seed in seeds or experiment["seeds"]]


def settings(config, experiment, variant, seed, keys):
    """Returns the settings that the result of a variant and seed depends on."""
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
    """Returns the results of variants and seeds, and computes missing ones.

    Args:
        config: `ConfigDict`, complete.
        kind: The experiment's `Kind`.
        experiment: Dict, from `experiment_of`.
        variants, seeds: As `chosen` returns them.
        runs: Path of the directory of all results.
        data_dir: As for `kprune.datasets.load`.
        tell: Function of (file name, result), called for each.

    Returns:
        Dict from the label of a variant to the list of its results, by seed.
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
    """Returns the result in a JSON file, and computes a missing one first.

    Args:
        path: Path of the file.
        settings: Dict that the result depends on, which the file must match.
        compute: Function without arguments that returns the result, a dict. It
            gains `seconds`, and `peak_gigabytes`, the peak of the whole
            process so far, in GiB.

    Raises:
        ValueError: If the file was computed with other settings.
    """
    path, settings = pathlib.Path(path), json.loads(json.dumps(settings))
    found = files.read_record(path)  # A damaged one is computed again.
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
    """Writes a report in Markdown and its figure, if it can be drawn.

    Args:
        text: String, the report.
        base: Path of both files, without the suffix.
        draw: Function that draws an SVG file at a path, or `None`.

    Returns:
        List with a sentence on each file.
    """
    files.make_directory(os.path.dirname(base) or ".")
    files.write_text(f"{base}.md", f"{text}\n")
    told = [f"Written: {base}.md"]
    if draw is not None and plots.missing():
        told.append(plots.missing())
    elif draw is not None:
        draw(f"{base}.svg")
        told.append(f"Drawn: {base}.svg")
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
