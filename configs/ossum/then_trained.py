"""Four-layer networks pruned by OSSuM and then trained.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. FC-1000-1000-1000,
pruned at initialization, its weights rescaled, and trained by Adam; figure 7 is
without rescaling:

python tools/ossum.py --config=configs/ossum/then_trained.py --runs=runs/ossum

The rows: mnist (also without a name) and cifar10. Biases are not rescaled, and
batches are of 128: the paper says neither.
"""

import ml_collections

_ROWS = {"mnist": "ossum", "cifar10": "half"}  # With their normalizations.


def get_config(arg=""):
    row = "mnist" if arg in ("", "quick") else arg
    if row not in _ROWS:
        raise ValueError(
            f"Expected :quick, nothing, or one of {', '.join(_ROWS)}. "
            f"Received: {arg!r}"
        )
    epochs = 20 if row == "mnist" else 50
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": row,
        "augment": False if row == "cifar10" else None,
        "normalization": _ROWS[row],
    }
    config.model = {
        "name": "fc",
        "widths": [1000, 1000, 1000],
        "activation": "tanh",
        "initializer": "fan_in_uniform",
    }
    config.pruner = {"method": "ossum_norm", "sparsity": 0.9, "batches": None}
    config.training = {"optimizer": "adam", "epochs": epochs}
    config.paper = {
        "source": "https://openreview.net, ICLR 2022: OSSuM, figures 4 and 7",
        "metric": "test accuracy %",
        "experiment": {
            "name": f"then_trained_{row}",
            "kind": "then_trained",
            "methods": [
                *["ossum_norm", "linear_ossum_norm", "log_ossum_norm"],
                *["prune_and_build", "neuron_norm", "neuron_random"],
            ],
            "kept": [12, 25, 50, 100, 200],
            "phases": [["adam", 0.001, epochs]],
            "seeds": [0, 1, 2],
            "variants": {
                "rescaled": {"rescale": True},
                "as_drawn": {"rescale": False},
            },
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.model.widths = [20, 20, 20]
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_then_trained",
            kept=[5, 10],
            phases=[["adam", 0.001, 1]],
            seeds=[0],
        )
    return config
