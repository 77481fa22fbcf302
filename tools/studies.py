"""Experiments of several variants and seeds: a result file for each."""

import json
import os
import resource
import time

import kprune


def stored(path, settings, compute):
    """Returns the result in a file, computed and written if there is none.

    Args:
        path: Path of a JSON file.
        settings: Dict, what the result follows from.
        compute: Function without arguments to a dict.

    Returns:
        Dict with what `compute` gives, `seconds` and `peak_gigabytes`, those
        of the whole process until then.

    Raises:
        ValueError: If the file is of other settings.
    """
    settings = json.loads(json.dumps(settings))
    if os.path.exists(path):
        with open(path) as file:
            found = json.load(file)
        if found["settings"] != settings:
            raise ValueError(
                f"{path} was computed with other settings. Remove it, or pass "
                "another --runs."
            )
        return found["result"]
    start = time.perf_counter()
    result = compute()
    result["seconds"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result["peak_gigabytes"] = peak / 2**20
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.part", "w") as file:
        json.dump({"settings": settings, "result": result}, file)
    os.replace(f"{path}.part", path)
    return result


def chosen(experiment, labels, seeds):
    """Returns the variants by label and the seeds that are to be run.

    Args:
        experiment: Dict with `variants` and `seeds`.
        labels: Strings, which variants; `None` for all.
        seeds: Strings, whole numbers; `None` for those of the experiment.

    Raises:
        ValueError: If there is no such variant.
    """
    variants = experiment["variants"]
    for label in labels or []:
        kprune.runtime.lookup.choose(label, variants, "variant")
    variants = {
        label: variant
        for label, variant in variants.items()
        if label in (labels or variants)
    }
    return variants, [int(s) for s in seeds or experiment["seeds"]]
