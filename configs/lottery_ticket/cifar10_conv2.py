"""Conv-2 on CIFAR-10 in the lottery ticket paper (Frankle & Carbin, 2019).

https://arxiv.org/abs/1803.03635

The network and its training, pruned before it; the paper prunes after it. Not
verified: that it trains for 20,000 steps (24 epochs of 834) and without
augmentation. The sparsities of the sweep are chosen here.

python tools/train.py --config=configs/lottery_ticket/cifar10_conv2.py \\
    --sparsity=0.9 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/lottery_ticket/cifar10_conv2.py \\
    --runs=runs/lottery_ticket_cifar10_conv2
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "cifar10", "batch_size": 60, "augment": False}
    config.model = {"name": "conv2", "initializer": "xavier_normal"}
    config.pruner = {"method": "magnitude", "sparsity": 0.9}
    config.training = {
        "optimizer": "adam",
        "learning_rate": 2e-4,
        "epochs": 24,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/1803.03635",
        "metric": "test accuracy %",
        "sweep": {
            "methods": ["dense", "magnitude", "snip", "random"],
            "sparsities": [0.8, 0.9, 0.95],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
