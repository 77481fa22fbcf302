"""OSSuM on four-layer networks, FC-1000-1000-1000, without training.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. OSSuM after
norm, prune-and-build, norm and random neurons, over the neurons kept in each
hidden layer:

python tools/ossum.py --config=configs/ossum/deep.py --runs=runs/ossum

The rows: mnist (also without a name) and cifar10. The norm is the L2 norm of
what a neuron reads, of the full network, and OSSuM sees what it leaves: the
paper says neither.
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
    config.training = {"epochs": 20 if row == "mnist" else 50}
    config.paper = {
        "source": "https://openreview.net, ICLR 2022: OSSuM, figure 3",
        "metric": "test accuracy %",
        "experiment": {
            "name": f"deep_{row}",
            "kind": "untrained",
            "methods": [
                *["ossum_norm", "linear_ossum_norm", "log_ossum_norm"],
                *[
                    "prune_and_build",
                    "linear_pab",
                    "neuron_norm",
                    "neuron_random",
                ],
            ],
            "kept": [12, 25, 50, 100, 200, 350, 600, 800],
            "seeds": [0, 1, 2],
            "variants": {"all": {}},
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.model.widths = [20, 20, 20]
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_deep", kept=[5, 10], seeds=[0]
        )
    return config
