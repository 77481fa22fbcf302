"""Masks that move while LeNet-300-100 trains on MNIST, and one that does not.

The methods are those of SET (https://arxiv.org/abs/1707.04780), Deep Rewiring
(https://arxiv.org/abs/1711.05136), DSR (https://arxiv.org/abs/1902.05967), SNFS
(https://arxiv.org/abs/1907.04840) and RigL (https://arxiv.org/abs/1911.11134),
beside a random mask that stays (static) and gradual magnitude pruning (gmp,
https://arxiv.org/abs/1710.01878). The training is chosen here: the papers train
other networks, or this one otherwise. All but gmp begin with random masks whose
shares follow Erdos-Renyi.

A row of its own is dynamic network surgery (https://arxiv.org/abs/1608.04493),
whose sparsity is an outcome of its thresholds, so that no sweep has it: of all
weights, pruned and spliced from the first step on with c = 1, which is chosen
here. The paper begins with a trained network.

python tools/train.py --config=configs/dynamic.py:mnist_lenet_300_100_dns \\
    --workdir=runs/dns

python tools/train.py --config=configs/dynamic.py --method=rigl \\
    --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/dynamic.py --runs=runs/dynamic
python tools/report.py --runs=runs/dynamic
"""

from kprune.experiment import rows

_METHODS = ["static", "set", "deepr", "dsr", "snfs", "rigl", "gmp"]
_SETTINGS = {
    "dataset": {"name": "mnist", "batch_size": 100},
    "model": {"name": "lenet_300_100"},
    "pruner": {"method": "rigl", "sparsity": 0.98},
    "training": rows.torch_sgd(1e-4, {"name": "cosine"}, epochs=10),
    "paper": {"sweep": rows.sweep(_METHODS, [0.98, 0.99])},
}
ROWS = {
    "mnist_lenet_300_100": {},
    "mnist_lenet_300_100_dns": {
        "pruner": {"method": "dns", "sparsity": 0.0, "options": {"c": 1.0}},
        "paper": {"source": "https://arxiv.org/abs/1608.04493"},
    },
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS)
