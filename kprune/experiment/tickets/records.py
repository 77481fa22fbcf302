"""Stores the results of a seed for `kprune report`."""

import pathlib

from kprune.experiment.config import complete
from kprune.runtime import files

RECORDS = "tickets.json"
_HOW = ("fraction", "rewind_to", "survivors", "learning_rate")
# What a baseline is called among the sanity checks.
CHECKS = {
    "ticket": None,
    "reinitialized": "reinitialize",
    "shuffled": "shuffle",
}


def write(directory, config, wanted, found):
    """Writes the results that are there so far, beside those in the file; all
    arguments are as in `trainings.all_of`, which returns `found`."""
    path = pathlib.Path(directory) / RECORDS
    before = (files.read_record(path) or {}).get("results", [])
    shown = wanted.get("report_at")
    results = [
        {"level": level, "variant": variant, **result}
        for (level, variant), result in found.items()
        if level > 0 and (shown is None or level in shown)
    ]
    results += [
        result
        for result in before
        if (result["level"], result["variant"]) not in found
    ]
    record = {"name": wanted["name"], "config": config.to_dict()}
    files.write_record(path, {**record, "results": results}, indent=1)


def read(record):
    """Returns what the file holds as (config, result) of runs of a method of
    that name, whose options are how it searched.

    Sparsities are rounded to a tenth of a percent, so that they stand beside
    those of a sweep.
    """
    found = []
    try:
        wanted = record["config"]["paper"]["tickets"]
        options = {name: wanted[name] for name in _HOW if name in wanted}
        for result in record["results"]:
            pruner = {
                "method": record["name"],
                "sparsity": round(result["sparsity"], 3),
                "options": options,
                "check": CHECKS[result["variant"]],
            }
            config = {**record["config"], "pruner": pruner}
            accuracy = {"test_accuracy": result["accuracy"]}
            found.append((complete(config), accuracy))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{RECORDS} was not written by kprune") from error
    return found
