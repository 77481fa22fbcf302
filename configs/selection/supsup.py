"""SupSup on five permuted MNIST tasks, told apart by their masks alone.

"Supermasks in Superposition" (Wortsman et al., 2020),
https://arxiv.org/abs/2006.14769: one network of signed constants, a mask for
each order of the pixels, and for each batch of the test set the task that the
gradient of the entropy points to:

python tools/select_subnet.py --config=configs/selection/supsup.py \\
    --runs=runs/selection

As in the released code 784-300-300-100 units, of which ten are labels, and an
epoch of RMSprop for each task; with its learning rate of 1e-4 (`paper`) and
with one that suits so short a training better. A network of the same kind on
one task, half of its weights masked at random and the others trained:

python tools/train.py --config=configs/selection/supsup.py --workdir=runs/one
"""

import ml_collections


def get_config(arg=""):
    if arg not in ("", "quick"):
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist"}
    config.model = {
        "name": "fc",
        "widths": [300, 300],
        "activation": "relu",
        "initializer": "kaiming_normal",
    }
    config.pruner = {"method": "random", "sparsity": 0.5}
    config.training = {"optimizer": "rmsprop", "learning_rate": 1e-4}
    training = {
        "optimizer": "rmsprop",
        "learning_rate": 1e-4,
        "epochs": 1,
        "batch_size": 128,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2006.14769",
        "metric": "test accuracy %",
        "experiment": {
            "name": "supsup_mnist",
            "kind": "tasks",
            "tasks": 5,
            "outputs": 100,
            "options": {"sparsity": 0.5},
            "training": training,
            "inference": [
                {"label": "one shot", "rule": "one_shot"},
                {"label": "binary", "rule": "binary"},
                {"label": "one shot, G", "rule": "one_shot", "classes": 10},
            ],
            "seeds": [0, 1, 2],
            "variants": {
                "paper": {},
                "faster": {"training": {"learning_rate": 3e-3}},
            },
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits")
        config.model.widths = [50]
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_supsup", tasks=2, outputs=20, seeds=[0, 1]
        )
        config.paper.experiment.training.steps_per_epoch = 2
        del config.paper.experiment.variants.faster
    return config
