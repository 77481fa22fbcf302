"""The networks of the leaderboard, their data and how long they train."""

import dataclasses
from collections.abc import Callable

import kprune


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and the training that every method has the budget of.

    Args:
        build: Function from a seed to a new model that gives logits.
        dataset: Name of the data set.
        epochs: Integer, a multiple of 4: searches train four quarters.
        rate: The highest learning rate, of SGD with momentum 0.9.
        examples: Integer, how many training images there are, or `None` for
            all of the data set.
        batch_size: Integer.
    """

    build: Callable
    dataset: str
    epochs: int
    rate: float
    examples: int | None = None
    batch_size: int = 128

    @property
    def budget(self):
        """What must be the same in all cells of a network: a dict."""
        found = dataclasses.asdict(self)
        return {name: found[name] for name in found if name != "build"}


def _resnet(seed):
    return kprune.models.resnet_cifar(
        8, classes=10, input_shape=(32, 32, 3), seed=seed
    )


NETWORKS = {
    "lenet_300_100": Network(
        lambda seed: kprune.models.lenet_300_100(seed=seed),
        "mnist",
        4,
        0.1,
        examples=30_000,
    ),
    "lenet5": Network(
        lambda seed: kprune.models.lenet5(seed=seed),
        "mnist",
        4,
        0.05,
        examples=12_800,
    ),
    "resnet8": Network(_resnet, "cifar10", 4, 0.1, examples=12_800),
}
# The same, in the small: for tests.
QUICK = Network(
    lambda seed: kprune.models.fc(
        (30,), input_shape=(8, 8, 1), activation="relu", seed=seed
    ),
    "digits",
    4,
    0.1,
    examples=256,
    batch_size=64,
)


def load(network, data_dir):
    """Returns ((x, y), (x_test, y_test)) of a network, as arrays."""
    (x, y), test = kprune.datasets.load_arrays(
        network.dataset, data_dir=data_dir
    )
    return (x[: network.examples], y[: network.examples]), test
