"""Activations and initializations under OSSuM: section 4.4 of the paper.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. FC-10000 on
MNIST, without training:

python tools/ossum.py --config=configs/ossum/ablations.py:activations \\
    --runs=runs/ossum

The rows: activations (also without a name) and initializations, which are
U(-r, r), N(0, r^2) and +r or -r at random, with r = 1 / sqrt(fan_in). The
paper's N(0, r) may mean r for the variance.
"""

import ml_collections

_ROWS = {
    "activations": ("activation", ["tanh", "relu", "sigmoid"]),
    "initializations": (
        "initializer",
        ["fan_in_constant", "fan_in_uniform", "fan_in_normal"],
    ),
}


def get_config(arg=""):
    row = "activations" if arg in ("", "quick") else arg
    if row not in _ROWS:
        raise ValueError(
            f"Expected :quick, nothing, or one of {', '.join(_ROWS)}. "
            f"Received: {arg!r}"
        )
    option, values = _ROWS[row]
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist", "normalization": "ossum"}
    config.model = {
        "name": "fc",
        "widths": [10_000],
        "activation": "tanh",
        "initializer": "fan_in_uniform",
    }
    config.pruner = {"method": "ossum", "sparsity": 0.9, "batches": None}
    config.training = {"epochs": 20}
    config.paper = {
        "source": "https://openreview.net, ICLR 2022: OSSuM, figure 5",
        "metric": "test accuracy %",
        "experiment": {
            "name": row,
            "kind": "curves",
            "methods": ["ossum", "linear_ossum", "log_ossum"],
            "kept": [100, 200, 500, 1000, 2000, 3000, 5000, 7500, 10_000],
            "seeds": [0, 1, 2, 3, 4],
            "variants": {v: {"model": {option: v}} for v in values},
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.model.widths = [50]
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_ablations", kept=[5, 25, 50], seeds=[0]
        )
    return config
