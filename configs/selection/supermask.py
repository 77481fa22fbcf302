"""Supermasks of a fully connected network on MNIST (Zhou et al., 2019).

"Deconstructing Lottery Tickets", https://arxiv.org/abs/1905.01067: weights
drawn by Glorot's normal law are never trained, the chance of each to be kept
is. With the paper's learning rate of 100, without its rescaling, without its
signed constants, with a mask that is rounded, and with Adam:

python tools/select_subnet.py --config=configs/selection/supermask.py \\
    --runs=runs/selection

Twenty epochs here, 2000 in the paper. Not verified: that the paper reaches
98.0 % with rescaling and signed constants. The same network with random masks
of half of its weights, and these trained:

python tools/train.py --config=configs/selection/supermask.py --workdir=runs/one
"""

import ml_collections


def get_config(arg=""):
    if arg not in ("", "quick"):
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": "mnist",
        "batch_size": 250,
        "normalization": "unit",
    }
    config.model = {"name": "lenet_300_100", "initializer": "xavier_normal"}
    config.pruner = {"method": "random", "sparsity": 0.5}
    config.training = {"epochs": 20, "learning_rate": 1.2e-3}
    training = {
        "optimizer": "sgd",
        "learning_rate": 100.0,
        "options": {"momentum": 0.9},
        "epochs": 20,
        "batch_size": 250,
    }
    adam = {"optimizer": "adam", "learning_rate": 0.3, "options": {}}
    config.paper = {
        "source": "https://arxiv.org/abs/1905.01067",
        "metric": "test accuracy %",
        "experiment": {
            "name": "supermask_mnist",
            "kind": "subnetwork",
            "method": "supermask",
            "training": training,
            "draws": 10,
            "seeds": [0, 1, 2],
            "variants": {
                "paper": {},
                "drawn_weights": {"options": {"weights": "keep"}},
                "not_rescaled": {"options": {"rescale": False}},
                "neither": {"options": {"weights": "keep", "rescale": False}},
                "rounded": {"options": {"round_mask": True}},
                "adam": {"training": adam},
            },
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_supermask", draws=2, seeds=[0, 1]
        )
        config.paper.experiment.training.update(epochs=1, steps_per_epoch=2)
        for label in ("drawn_weights", "not_rescaled", "neither", "rounded"):
            del config.paper.experiment.variants[label]
    return config
