"""Finds a user's functions and files that a config names."""

from kprune.datasets import own as own_data
from kprune.models import own as own_models
from kprune.runtime import own_names


def digests(config):
    """Returns the digests of the user's sources in a config, by name.

    Digests that the config holds stay: they identify the sources it was made
    from, also where these are missing.

    Args:
        config: Dict of sections, complete.
    """
    held = config["sources"]
    found = {n: held[n] for n in sorted({*_names(config)} & {*held})}
    for name in own(config):
        if name not in found:
            found[name] = own_names.digest(name)
    return found


def own(config):
    """Returns the names in a config of the user's own sources, sorted."""
    model, dataset, *functions = _names(config)
    found = set(filter(own_names.is_name, functions))
    if own_models.is_own(model):
        found.add(model)
    if own_data.is_own(dataset):
        found.add(dataset)
    return sorted(found)


def check(config):
    """Raises `ValueError` if a source has changed since the config was made."""
    for name in own(config):
        made_of, now = config["sources"].get(name), own_names.digest(name)
        if made_of != now:
            raise ValueError(
                f"{name!r} has changed since the config was made, so that it "
                f"stands for another run. Expected a source of the digest "
                f"{made_of}. Received: {now}. Make the config anew."
            )


def _names(config):
    """Returns the names in a config of the model, data set and functions."""
    training = config["training"]
    return [
        config["model"]["name"],
        config["dataset"]["name"],
        config["pruner"]["method"],
        training["optimizer"],
        training["loss"] or "",
        *(training["metrics"] or ()),
        *(training["callbacks"] or ()),
    ]
