"""Random tickets (Su et al., 2020): random masks, by a layer's depth alone.

"Sanity-Checking Pruning Methods: Random Tickets can Win the Jackpot",
https://arxiv.org/abs/2009.11094. LeNet-300-100 on MNIST, as in
configs/mnist_lenet.py, which is not of the paper; and its ResNet-32, of double
width, and VGG-19 on CIFAR-10, trained as in its released code. The sparsities
of the sweep are chosen here.

python tools/train.py --config=configs/random_tickets.py --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/random_tickets.py \\
    --runs=runs/random_tickets
"""

from kprune.experiment import rows

_METHODS = ["random_tickets", "random", "snip", "grasp"]
_SETTINGS = {
    "dataset": {"batch_size": 64},
    "pruner": {
        "method": "random_tickets",
        "sparsity": 0.95,
        "batches": 1,
        "batch_size": 100,
    },
    "training": rows.torch_sgd(1e-4, rows.tenth_at("50%", "75%"), epochs=160),
    "paper": {
        "source": "https://arxiv.org/abs/2009.11094",
        "metric": "test accuracy %",
        "sweep": rows.sweep(_METHODS, [0.9, 0.95, 0.98]),
    },
}
ROWS = {
    "mnist_lenet_300_100": {
        "dataset": {"name": "mnist", "batch_size": 60},
        "model": {"name": "lenet_300_100", "initializer": "xavier_normal"},
        "training": {
            "optimizer": "adam",
            "learning_rate": 1.2e-3,
            "epochs": 5,
            "steps_per_execution": 50,
        },
    },
    "cifar10_resnet32": {
        "dataset.name": "cifar10",
        "model": {"name": "resnet32", "width": 2},
    },
    "cifar10_vgg19": {
        "dataset.name": "cifar10",
        "model": {"name": "vgg19"},
        # Of VGG, ratios fall off faster. The other methods have no options.
        "pruner.options": {"vgg": True},
        "paper.results": [
            {"method": method, "options": {"pruner.options": {}}}
            for method in _METHODS[1:]
        ],
    },
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, rows.SMALL_BATCHES)
