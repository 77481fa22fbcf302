"""The architecture search: FC-1000-1000-1000 to all widths, untrained.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. All combinations
of nine widths for each hidden layer, by norm and OSSuM and by prune-and-build;
parameters removed and accuracy of each, and the best one:

python tools/ossum.py --config=configs/ossum/search.py --runs=runs/ossum

The paper has 730 networks of each kind, of widths that it does not name, and
chooses by test accuracy. Here the choice is made on 6,000 training images that
are held out, neurons are scored on 10,000 others, and only the network that is
chosen is tested.
"""

import ml_collections


def get_config(arg=""):
    if arg not in ("", "quick"):
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist", "normalization": "ossum"}
    config.model = {
        "name": "fc",
        "widths": [1000, 1000, 1000],
        "activation": "tanh",
        "initializer": "fan_in_uniform",
    }
    config.pruner = {"method": "ossum_norm", "sparsity": 0.9, "batches": None}
    config.training = {"epochs": 20}
    config.paper = {
        "source": "https://openreview.net, ICLR 2022: OSSuM, section 4.4",
        "metric": "test accuracy %",
        "experiment": {
            "name": "search",
            "kind": "search",
            "methods": ["ossum_norm", "prune_and_build"],
            "widths": [10, 25, 50, 100, 200, 300, 450, 600, 800],
            "examples": 10_000,
            "validation": 6000,
            "seeds": [0],
            "variants": {"all": {}},
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", normalization="default")
        config.model.widths = [20, 20, 20]
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(
            name="quick_search", widths=[5, 10], examples=200, validation=100
        )
    return config
