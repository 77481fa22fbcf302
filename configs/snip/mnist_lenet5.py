"""LeNet-5 on MNIST in the SNIP paper (Lee et al., 2019).

https://arxiv.org/abs/1810.02340

Not verified: how long it trains, 150 epochs here, and that a tenth of the
images is held out. Its released code prunes biases too, and trains other
weights than it scores (--config.pruner.options.released_code=true for the
latter). The sparsities of the sweep are chosen here.

python tools/train.py --config=configs/snip/mnist_lenet5.py \\
    --sparsity=0.99 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/snip/mnist_lenet5.py \\
    --runs=runs/snip_mnist_lenet5
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist", "batch_size": 100, "validation": 0.1}
    config.model = {"name": "lenet5", "initializer": "lecun_normal"}
    config.pruner = {
        "method": "snip",
        "sparsity": 0.99,
        "batches": 1,
        "batch_size": 100,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 5e-4},
        "learning_rate": 0.1,
        "schedule": {"name": "step", "every": "25000it", "factor": 0.1},
        "epochs": 150,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/1810.02340",
        "metric": "test accuracy %",
        "sweep": {
            "methods": ["dense", "snip", "random"],
            "sparsities": [0.9, 0.95, 0.98, 0.99],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "lenet_300_100"}  # For images of 8x8.
        config.pruner.update(batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
