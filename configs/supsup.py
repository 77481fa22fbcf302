"""SupSup on five permuted MNIST tasks, told apart by their masks alone.

"Supermasks in Superposition" (Wortsman et al., 2020),
https://arxiv.org/abs/2006.14769: one network of signed constants, a mask for
each order of the pixels, and for each batch of the test set the task that the
gradient of the entropy points to:

python tools/studies/run.py subnetworks --config=configs/supsup.py \\
    --runs=runs/selection

As in the released code 784-300-300-100 units, of which ten are labels, and an
epoch of RMSprop for each task; with its learning rate of 1e-4 (`paper`) and
with one that suits so short a training better. A network of the same kind on
one task, half of its weights masked at random and the others trained:

python tools/train.py --config=configs/supsup.py --workdir=runs/one
"""

from kprune.experiment import rows

_RMSPROP = {"optimizer": "rmsprop", "learning_rate": 1e-4}
_SETTINGS = {
    "dataset": {"name": "mnist"},
    "model": {
        "name": "fc",
        "widths": [300, 300],
        "activation": "relu",
        "initializer": "kaiming_normal",
    },
    "pruner": {"method": "random", "sparsity": 0.5},
    "training": _RMSPROP,
    "paper": {
        "source": "https://arxiv.org/abs/2006.14769",
        "metric": "test accuracy %",
        "experiment": {
            "name": "supsup_mnist",
            "kind": "tasks",
            "tasks": 5,
            "outputs": 100,
            "options": {"sparsity": 0.5},
            "training": {**_RMSPROP, "epochs": 1, "batch_size": 128},
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
    },
}
ROWS = {"mnist_permuted": {}}
_QUICK = {
    "model.widths": [50],
    "paper.experiment.name": "quick_supsup",
    "paper.experiment.tasks": 2,
    "paper.experiment.outputs": 20,
    "paper.experiment.seeds": [0, 1],
    "paper.experiment.training.steps_per_epoch": 2,
    "paper.experiment.variants": {"paper": {}},
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
