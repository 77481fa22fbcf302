"""edge-popup and biprop on Conv-2: networks whose weights are never trained.

"What's Hidden in a Randomly Weighted Neural Network?" (Ramanujan et al.,
2020), https://arxiv.org/abs/1911.13299, and "Multi-Prize Lottery Ticket
Hypothesis" (Diffenderfer and Kailkhura, 2021),
https://arxiv.org/abs/2103.09377. On CIFAR-10 with the paper's settings, or on
MNIST for three epochs:

python tools/select_subnet.py --config=configs/selection/edge_popup.py \\
    --runs=runs/selection
python tools/select_subnet.py \\
    --config=configs/selection/edge_popup.py:mnist_conv2 --runs=runs/selection

The share that is left out is 0.3, 0.5 or 0.7, of signed constants and of
normal draws; `biprop` ranks within each weight, `biprop_global` all weights at
once, and is warmed up for a tenth of the epochs. The papers' Conv-2 has
no biases; here they are frozen at 0. The same network with random masks of
half of its weights, and these trained:

python tools/train.py --config=configs/selection/edge_popup.py:mnist_conv2 \\
    --workdir=runs/one
"""

import ml_collections

_ROWS = ("cifar10_conv2", "mnist_conv2")


def get_config(arg=""):
    row = "cifar10_conv2" if arg in ("", "quick") else arg
    if row not in _ROWS:
        raise ValueError(
            f"Expected :quick, nothing, or one of {', '.join(_ROWS)}. "
            f"Received: {arg!r}"
        )
    dataset, network = row.split("_")
    epochs = 100 if dataset == "cifar10" else 3
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": dataset}
    config.model = {"name": network}
    config.pruner = {"method": "random", "sparsity": 0.5}
    config.training = {
        "optimizer": "torch_sgd",
        "learning_rate": 0.1,
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "schedule": {"name": "cosine"},
        "epochs": epochs,
    }
    training = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "schedule": {"name": "cosine"},
        "options": {"momentum": 0.9, "weight_decay": 1e-4},
        "epochs": epochs,
        "batch_size": 128,
    }
    warm_up = {"global_epochs": max(1, epochs // 10)}
    constant = {"weights": "signed_constant", "biases": "zero"}
    normal = {"weights": "kaiming_normal", "biases": "zero"}
    biprop = {"method": "biprop", "options": {"biases": "zero"}}
    config.paper = {
        "source": "https://arxiv.org/abs/1911.13299",
        "metric": "test accuracy %",
        "experiment": {
            "name": row,
            "kind": "subnetwork",
            "method": "edge_popup",
            "sparsity": 0.5,
            "options": constant,
            "training": training,
            "draws": 1,
            "seeds": [0, 1, 2],
            "variants": {
                "constant_50": {},
                "constant_30": {"sparsity": 0.3},
                "constant_70": {"sparsity": 0.7},
                "normal_50": {"options": normal},
                "normal_scaled_50": {"options": {**normal, "scale_fan": True}},
                "biprop_50": biprop,
                "biprop_global_50": {**biprop, "training": warm_up},
            },
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits")
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.experiment.update(name="quick_edge_popup", seeds=[0])
        config.paper.experiment.training.update(epochs=2, steps_per_epoch=1)
        warm_up = config.paper.experiment.variants.biprop_global_50.training
        warm_up.global_epochs = 1
        for label in ("constant_30", "constant_70", "normal_50", "biprop_50"):
            del config.paper.experiment.variants[label]
        del config.paper.experiment.variants.normal_scaled_50
    return config
