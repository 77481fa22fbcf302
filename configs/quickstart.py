"""SNIP on a small convolutional network and the digits that kprune ships.

Half a minute on two CPU cores, without any download:

python tools/train.py --config=configs/quickstart.py --workdir=runs/quickstart
"""

from kprune.experiment import rows

_SETTINGS = {
    "dataset": {"name": "digits", "batch_size": 32},
    "model": {"name": "conv2"},
    "pruner": {"method": "snip", "sparsity": 0.9},
    "training": {"learning_rate": 1e-3, "epochs": 10},
}
ROWS = {"digits_conv2": {}}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS)
