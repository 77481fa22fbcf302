"""Checks that each replica of a run has a share of every batch."""

from kprune import datasets
from kprune.runtime import checks


def check(config, replicas):
    """Raises `ValueError` if replicas cannot share a batch.

    Each replica needs an image of every batch; under several workers or on a
    TPU, batches must divide evenly.

    Args:
        config: `ConfigDict`, complete.
        replicas: Integer, how many there are.
    """
    if replicas == 1:
        return
    size, rest = config.dataset.batch_size, _last_batch(config)
    if config.distribute == "mirrored":  # Shares may differ by an image.
        fits, fits_last = size >= replicas, rest == 0 or rest >= replicas
        expected = f"{replicas} or more, an image for each replica"
    else:
        fits, fits_last = size % replicas == 0, rest == 0
        expected = f"a multiple of {replicas}, the replicas that share a batch"
    checks.require(fits, "config.dataset.batch_size", size, expected)
    dropped = config.dataset.drop_remainder
    expected = (
        f"True: the last batch, of {rest} images, cannot be shared by "
        f"{replicas} replicas"
    )
    fits = dropped or fits_last
    checks.require(fits, "config.dataset.drop_remainder", dropped, expected)


def _last_batch(config):
    """Returns the size of a partial last batch, or 0 if there is none."""
    data = config.dataset
    size = datasets.info(data.name).train_size
    held_out = round((data.validation or 0) * size)
    return (size - held_out) % data.batch_size
