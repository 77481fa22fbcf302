"""Results of an experiment: one file for each setting and seed."""

import json
import os
import resource
import time

import numpy as np


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


def gathered(results):
    """Returns the series of several seeds as arrays.

    Args:
        results: List of dicts with `series`, dicts from method to list.

    Returns:
        Dict from method to an array (seeds, numbers of neurons).
    """
    return {
        method: np.array([result["series"][method] for result in results])
        for method in results[0]["series"]
    }
