"""SynFlow (Tanaka et al., 2020): VGG-16 on CIFAR-100.

https://arxiv.org/abs/2006.05467

Its results are figures without numbers. `critical` holds what its released code
draws in them: log10 of (weights / weights kept) beyond which each method fails.
As in that code, scores are taken with the moving statistics of batch norm, on
ten images for each class, here in four batches.

python tools/train.py --config=configs/synflow.py --sparsity=0.999 \\
    --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/synflow.py --runs=runs/synflow
"""

from kprune.experiment import rows

_CRITICAL = {
    "synflow": 6.0,
    "snip": 3.5,
    "grasp": 3.5,
    "random": 3.25,
    "magnitude": 2.75,
}
_SETTINGS = {
    "dataset": {"name": "cifar100", "batch_size": 128},
    "model": {"name": "vgg16"},
    "pruner": {
        "method": "synflow",
        "sparsity": 0.99,
        "batch_norm": "eval",
        "batches": 4,
        "batch_size": 250,
    },
    "training": rows.torch_sgd(1e-4, rows.tenth_at("60ep", "120ep"), 160),
    "paper": {
        "source": "https://arxiv.org/abs/2006.05467",
        "metric": "test accuracy %",
        "critical": _CRITICAL,
        "sweep": rows.sweep(
            ["synflow", "snip", "grasp", "magnitude", "random"],
            [0.9, 0.99, 0.999, 0.9999, 0.99999],
        ),
    },
}
ROWS = {"cifar100_vgg16": {}}
_QUICK = {**rows.SMALL_BATCHES, "pruner.rounds": 2}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
