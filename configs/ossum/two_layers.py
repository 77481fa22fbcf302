"""OSSuM on two-layer networks that are not trained: figure 1 of the paper.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. All methods and
five seeds, test accuracy over the neurons kept:

python tools/ossum.py --config=configs/ossum/two_layers.py --runs=runs/ossum

The rows: mnist (also without a name) and cifar10, each with the variants
fc1000, fc10000 and fc100000. FC-1000, pruned and then trained:

python tools/train.py --config=configs/ossum/two_layers.py --workdir=runs/one

Not said in the paper: whether layers have biases (here they are zero), how the
gates of the supermask begin, its momentum and its batch size. The supermask is
left out of the networks of 100,000 neurons, where it takes hours on a CPU.
"""

import ml_collections

_ROWS = {"mnist": "ossum", "cifar10": "half"}  # With their normalizations.
# What is kept, in thousandths of the neurons.
_KEPT = [10, 20, 50, 100, 150, 200, 250, 300, 400, 500, 600, 750, 900, 1000]
_METHODS = [
    *["ossum", "linear_ossum", "log_ossum"],
    *["neuron_norm", "neuron_random", "coreset", "supermask"],
]


def get_config(arg=""):
    row = "mnist" if arg in ("", "quick") else arg
    if row not in _ROWS:
        raise ValueError(
            f"Expected :quick, nothing, or one of {', '.join(_ROWS)}. "
            f"Received: {arg!r}"
        )
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": row,
        "augment": False if row == "cifar10" else None,
        "normalization": _ROWS[row],
    }
    config.model = {
        "name": "fc",
        "widths": [1000],
        "activation": "tanh",
        "initializer": "fan_in_uniform",
    }
    config.pruner = {"method": "ossum", "sparsity": 0.9, "batches": None}
    config.training = {"epochs": 20 if row == "mnist" else 50}
    config.paper = {
        "source": "https://openreview.net, ICLR 2022: OSSuM, figure 1",
        "metric": "test accuracy %",
        "experiment": {
            "name": f"two_layers_{row}",
            "kind": "curves",
            "supermask": {"epochs": 15 if row == "mnist" else 30},
            "seeds": [0, 1, 2, 3, 4],
            "variants": {
                f"fc{n}": _variant(n) for n in (1000, 10_000, 100_000)
            },
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.training.update(epochs=1, steps_per_epoch=2)
        small = {"model": {"widths": [50]}, "kept": [5, 25, 50]}
        config.paper.experiment.update(
            name="quick", supermask={"epochs": 1}, seeds=[0, 1]
        )
        variants = {"fc50": {**small, "methods": _METHODS}}
        config.paper.experiment.variants = variants
    return config


def _variant(width):
    return {
        "model": {"widths": [width]},
        "kept": [width * share // 1000 for share in _KEPT],
        "methods": _METHODS if width < 100_000 else _METHODS[:-1],
    }
