"""Masks that move while LeNet-300-100 trains on MNIST, and one that does not.

The methods are those of SET (https://arxiv.org/abs/1707.04780), Deep Rewiring
(https://arxiv.org/abs/1711.05136), DSR (https://arxiv.org/abs/1902.05967), SNFS
(https://arxiv.org/abs/1907.04840) and RigL (https://arxiv.org/abs/1911.11134),
beside a random mask that stays (static) and gradual magnitude pruning (gmp,
https://arxiv.org/abs/1710.01878). The training is chosen here: the papers train
other networks, or this one otherwise. All but gmp begin with random masks whose
shares follow Erdos-Renyi.

python tools/train.py --config=configs/dynamic/mnist_lenet.py \\
    --method=rigl --workdir=runs/one

All of them:

python tools/sweep.py --config=configs/dynamic/mnist_lenet.py \\
    --runs=runs/dynamic
python tools/report.py --runs=runs/dynamic
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist", "batch_size": 100}
    config.model = {"name": "lenet_300_100"}
    config.pruner = {"method": "rigl", "sparsity": 0.98}
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.1,
        "schedule": {"name": "cosine"},
        "epochs": 10,
    }
    config.paper = {
        "sweep": {
            "methods": [
                "dense",
                "static",
                "set",
                "deepr",
                "dsr",
                "snfs",
                "rigl",
                "gmp",
            ],
            "sparsities": [0.98, 0.99],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.name = "digits"
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
