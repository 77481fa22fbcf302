"""VGG-16 on CIFAR-100 in the SynFlow paper (Tanaka et al., 2020).

https://arxiv.org/abs/2006.05467

Its results are figures without numbers. `critical` holds what its released code
draws in them: log10 of (weights / weights kept) beyond which each method fails.
As in that code, scores are taken with the moving statistics of batch norm, on
ten images for each class, here in four batches.

python tools/train.py --config=configs/synflow/cifar100_vgg16.py \\
    --sparsity=0.999 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/synflow/cifar100_vgg16.py \\
    --runs=runs/synflow_cifar100_vgg16
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "cifar100", "batch_size": 128}
    config.model = {"name": "vgg16"}
    config.pruner = {
        "method": "synflow",
        "sparsity": 0.99,
        "batch_norm": "eval",
        "batches": 4,
        "batch_size": 250,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.1,
        "schedule": {
            "name": "multi_step",
            "at": ["60ep", "120ep"],
            "factor": 0.1,
        },
        "epochs": 160,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2006.05467",
        "metric": "test accuracy %",
        "critical": {
            "synflow": 6.0,
            "snip": 3.5,
            "grasp": 3.5,
            "random": 3.25,
            "magnitude": 2.75,
        },
        "sweep": {
            "methods": [
                "dense",
                "synflow",
                "snip",
                "grasp",
                "magnitude",
                "random",
            ],
            "sparsities": [0.9, 0.99, 0.999, 0.9999, 0.99999],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "conv6"}  # Images of 8x8 are too small for VGG.
        config.pruner.update(rounds=2, batches=1, batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
