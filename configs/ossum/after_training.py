"""OSSuM on trained networks, before and after fine-tuning.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. Section 4.2:

python tools/ossum.py --config=configs/ossum/after_training.py \\
    --runs=runs/ossum

The rows: mnist_fc1000 (also without a name), mnist_fc10000, cifar10_fc1000,
cifar10_fc10000, and mnist_fc1000x3 and cifar10_fc1000x3, of three hidden
layers. That CIFAR-10 is fine-tuned for 15 epochs is read into a sentence that
says MNIST twice. Batches of 128 are chosen here.
"""

import ml_collections

_WIDTHS = {
    "fc1000": [1000],
    "fc10000": [10_000],
    "fc1000x3": [1000, 1000, 1000],
}
_ROWS = [f"{d}_{w}" for d in ("mnist", "cifar10") for w in _WIDTHS]


def get_config(arg=""):
    row = "mnist_fc1000" if arg in ("", "quick") else arg
    if row not in _ROWS:
        raise ValueError(
            f"Expected :quick, nothing, or one of {', '.join(_ROWS)}. "
            f"Received: {arg!r}"
        )
    dataset, network = row.split("_")
    mnist, widths = dataset == "mnist", _WIDTHS[network]
    deep = len(widths) > 1
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": dataset,
        "augment": False if dataset == "cifar10" else None,
        "normalization": "ossum" if mnist else "half",
    }
    config.model = {
        "name": "fc",
        "widths": widths,
        "activation": "tanh",
        "initializer": "fan_in_uniform",
    }
    config.pruner = {"method": "ossum", "sparsity": 0.9, "batches": None}
    config.training = {"epochs": 20 if mnist else 50}
    epochs = 5 if mnist else 10
    phases = [["sgd", rate, epochs] for rate in (0.1, 0.01, 0.001)]
    fine_tuning = [["sgd", 0.01, 7 if mnist else 15]]
    if deep:
        config.pruner.method = "ossum_norm"
        phases = [["adam", 0.001, 20 if mnist else 50]]
        fine_tuning = [["adam", 0.001, 10 if mnist else 15]]
    end = "_norm" if deep else ""
    full = widths[0]
    config.paper = {
        "source": "https://openreview.net, ICLR 2022: OSSuM, figures 2 and 4",
        "metric": "test accuracy %",
        "experiment": {
            "name": f"after_training_{row}",
            "kind": "after_training",
            "methods": [
                *[f"{m}{end}" for m in ("ossum", "linear_ossum", "log_ossum")],
                *["neuron_norm", "neuron_random", "coreset"],
            ],
            "kept": [full * n // 1000 for n in (10, 20, 50, 100, 200, 500)],
            "phases": phases,
            "fine_tuning": fine_tuning,
            "seeds": [0, 1, 2],
            "variants": {"all": {}},
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.model.widths = [50]
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_after_training",
            kept=[5, 25],
            phases=[["sgd", 0.1, 1], ["sgd", 0.01, 1]],
            fine_tuning=[["sgd", 0.01, 1]],
            seeds=[0],
        )
    return config
