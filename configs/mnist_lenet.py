"""LeNet-300-100 on MNIST, pruned at initialization.

Adam at 1.2e-3 and batches of 60, as in Frankle & Carbin (2019), figure 1, for
5 of their 50 epochs; there, pruning is by magnitude after training.

python tools/train.py --config=configs/mnist_lenet.py --workdir=runs/mnist_lenet

All methods side by side:

python tools/sweep.py --config=configs/mnist_lenet.py --runs=runs/mnist
python tools/report.py --runs=runs/mnist
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist", "batch_size": 60}
    config.model = {"name": "lenet_300_100", "initializer": "xavier_normal"}
    config.pruner = {
        "method": "grasp",
        "sparsity": 0.95,
        "batches": 1,
        "batch_size": 100,
    }
    config.training = {
        "optimizer": "adam",
        "learning_rate": 1.2e-3,
        "epochs": 5,
        "steps_per_execution": 50,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/1803.03635",
        "metric": "test accuracy %",
        "sweep": {
            "methods": [
                "dense",
                "random",
                "magnitude",
                "snip",
                "grasp",
                "synflow",
            ],
            "sparsities": [0.9, 0.95, 0.98],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.name = "digits"
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
