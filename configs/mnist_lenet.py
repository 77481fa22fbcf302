"""LeNet-300-100 on MNIST, pruned at initialization.

Adam at 1.2e-3 and batches of 60, as in Frankle & Carbin (2019), figure 1, for
5 of their 50 epochs; there, pruning is by magnitude after training.

python tools/train.py --config=configs/mnist_lenet.py --workdir=runs/mnist_lenet

All methods side by side:

python tools/sweep.py --config=configs/mnist_lenet.py --runs=runs/mnist
python tools/report.py --runs=runs/mnist
"""

from kprune.experiment import rows

_METHODS = ["random", "magnitude", "snip", "grasp", "synflow"]
_SETTINGS = {
    "dataset": {"name": "mnist", "batch_size": 60},
    "model": {"name": "lenet_300_100", "initializer": "xavier_normal"},
    "pruner": {
        "method": "grasp",
        "sparsity": 0.95,
        "batches": 1,
        "batch_size": 100,
    },
    "training": {
        "optimizer": "adam",
        "learning_rate": 1.2e-3,
        "epochs": 5,
        "steps_per_execution": 50,
    },
    "paper": {
        "source": "https://arxiv.org/abs/1803.03635",
        "metric": "test accuracy %",
        "sweep": rows.sweep(_METHODS, [0.9, 0.95, 0.98]),
    },
}
ROWS = {"mnist_lenet_300_100": {}}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS)
