"""SNIP on a small convolutional network and the digits that kprune ships.

Half a minute on two CPU cores, without any download:

python tools/train.py --config=configs/quickstart.py --workdir=runs/quickstart
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "digits", "batch_size": 32}
    config.model = {"name": "conv2"}
    config.pruner = {"method": "snip", "sparsity": 0.9}
    config.training = {"learning_rate": 1e-3, "epochs": 10}
    if arg == "quick":  # Two steps of everything, for the tests.
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
