"""SNIP (Lee et al., 2019): LeNets on MNIST.

https://arxiv.org/abs/1810.02340

Not verified: how long the paper trains, 150 epochs here, and that a tenth of
the images is held out. Its released code prunes biases too, and trains other
weights than it scores (--config.pruner.options.released_code=true for the
latter). The sparsities of the sweep are chosen here.

python tools/train.py --config=configs/snip.py:mnist_lenet5 --sparsity=0.99 \\
    --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/snip.py:mnist_lenet5 \\
    --runs=runs/snip_mnist_lenet5
"""

from kprune.experiment import rows

_SETTINGS = {
    "dataset": {"name": "mnist", "batch_size": 100, "validation": 0.1},
    "model": {"name": "lenet_300_100", "initializer": "lecun_normal"},
    "pruner": {
        "method": "snip",
        "sparsity": 0.98,
        "batches": 1,
        "batch_size": 100,
    },
    "training": rows.torch_sgd(
        5e-4, {"name": "step", "every": "25000it", "factor": 0.1}, epochs=150
    ),
    "paper": {
        "source": "https://arxiv.org/abs/1810.02340",
        "metric": "test accuracy %",
        "sweep": rows.sweep(["snip", "random"], [0.9, 0.95, 0.98, 0.99]),
    },
}
ROWS = {
    "mnist_lenet_300_100": {},
    "mnist_lenet5": {"model.name": "lenet5", "pruner.sparsity": 0.99},
}
_QUICK = {
    **rows.SMALL_BATCHES,
    "model": {"name": "lenet_300_100"},  # For images of 8x8.
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
