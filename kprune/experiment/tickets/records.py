"""Stores the results of a seed for `kprune report`."""

import pathlib

from kprune.experiment.config import complete
from kprune.runtime import files

RECORDS = "tickets.json"
_HOW = ("fraction", "rewind_to", "survivors", "learning_rate")
# The sanity check that each variant of a ticket corresponds to.
CHECKS = {
    "ticket": None,
    "reinitialized": "reinitialize",
    "shuffled": "shuffle",
}


def write(directory, config, wanted, found):
    """Writes the results so far, and keeps others that the file holds.

    Arguments are those of `trainings.all_of`, which returns `found`.
    """
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
    """Returns the results in a file as (config, result) of runs.

    Their method is the name of the search, their options are its settings.
    Sparsities are rounded to a tenth of a percent, to match those of a sweep.
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
