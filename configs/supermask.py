"""Supermasks of a fully connected network on MNIST (Zhou et al., 2019).

"Deconstructing Lottery Tickets", https://arxiv.org/abs/1905.01067: weights
drawn by Glorot's normal law are never trained, the chance of each to be kept
is. With the paper's learning rate of 100, without its rescaling, without its
signed constants, with a mask that is rounded, and with Adam:

python tools/studies/run.py subnetworks --config=configs/supermask.py \\
    --runs=runs/selection

Twenty epochs here, 2000 in the paper. Not verified: that the paper reaches
98.0 % with rescaling and signed constants. The same network with random masks
of half of its weights, and these trained:

python tools/train.py --config=configs/supermask.py --workdir=runs/one
"""

from kprune.experiment import rows

_ADAM = {"optimizer": "adam", "learning_rate": 0.3, "options": {}}
_SETTINGS = {
    "dataset": {"name": "mnist", "batch_size": 250, "normalization": "unit"},
    "model": {"name": "lenet_300_100", "initializer": "xavier_normal"},
    "pruner": {"method": "random", "sparsity": 0.5},
    "training": {"epochs": 20, "learning_rate": 1.2e-3},
    "paper": {
        "source": "https://arxiv.org/abs/1905.01067",
        "metric": "test accuracy %",
        "experiment": {
            "name": "supermask_mnist",
            "kind": "subnetwork",
            "method": "supermask",
            "training": {
                "optimizer": "sgd",
                "learning_rate": 100.0,
                "options": {"momentum": 0.9},
                "epochs": 20,
                "batch_size": 250,
            },
            "draws": 10,
            "seeds": [0, 1, 2],
            "variants": {
                "paper": {},
                "drawn_weights": {"options": {"weights": "keep"}},
                "not_rescaled": {"options": {"rescale": False}},
                "neither": {"options": {"weights": "keep", "rescale": False}},
                "rounded": {"options": {"round_mask": True}},
                "adam": {"training": _ADAM},
            },
        },
    },
}
ROWS = {"mnist_lenet_300_100": {}}
_QUICK = {
    "dataset.normalization": "default",
    "paper.experiment.name": "quick_supermask",
    "paper.experiment.draws": 2,
    "paper.experiment.seeds": [0, 1],
    "paper.experiment.training.epochs": 1,
    "paper.experiment.training.steps_per_epoch": 2,
    "paper.experiment.variants": {"paper": {}, "adam": {"training": _ADAM}},
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
