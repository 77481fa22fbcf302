"""edge-popup and biprop: networks whose weights are never trained.

"What's Hidden in a Randomly Weighted Neural Network?" (Ramanujan et al.,
2020), https://arxiv.org/abs/1911.13299, and "Multi-Prize Lottery Ticket
Hypothesis" (Diffenderfer and Kailkhura, 2021),
https://arxiv.org/abs/2103.09377. Conv-2 on CIFAR-10 with the paper's settings,
or on MNIST for three epochs; LeNet-300-100 on MNIST for ten:

python tools/studies/run.py subnetworks --runs=runs/selection \\
    --config=configs/edge_popup.py:cifar10_conv2
python tools/studies/run.py subnetworks --runs=runs/selection \\
    --config=configs/edge_popup.py:mnist_conv2

The share that is left out is 0.3, 0.5 or 0.7, of signed constants and of
normal draws; `biprop` ranks within each weight, `biprop_global` all weights at
once, and is warmed up for a tenth of the epochs. `recycled_50` is edge-popup
with iterative weight recycling (Gorbett and Whitley, 2023),
https://arxiv.org/abs/2303.15953. The papers' Conv-2 has no biases; here they
are frozen at 0. The same network with random masks of
half of its weights, and these trained:

python tools/train.py --config=configs/edge_popup.py:mnist_conv2 \\
    --workdir=runs/one
"""

from kprune.experiment import rows

_CONSTANT = {"weights": "signed_constant", "biases": "zero"}
_NORMAL = {"weights": "kaiming_normal", "biases": "zero"}
_BIPROP = {"method": "biprop", "options": {"biases": "zero"}}
_SETTINGS = {
    "pruner": {"method": "random", "sparsity": 0.5},
    "training": rows.torch_sgd(1e-4, {"name": "cosine"}, epochs=100),
    "paper": {
        "source": "https://arxiv.org/abs/1911.13299",
        "metric": "test accuracy %",
        "experiment": {
            "kind": "subnetwork",
            "method": "edge_popup",
            "sparsity": 0.5,
            "options": _CONSTANT,
            "training": {
                "optimizer": "sgd",
                "learning_rate": 0.1,
                "schedule": {"name": "cosine"},
                "options": {"momentum": 0.9, "weight_decay": 1e-4},
                "batch_size": 128,
            },
            "draws": 1,
            "seeds": [0, 1, 2],
        },
    },
}


def _row(dataset, epochs, network="conv2"):
    return {
        "dataset": {"name": dataset},
        "model": {"name": network},
        "training.epochs": epochs,
        "paper.experiment.name": f"{dataset}_{network}",
        "paper.experiment.training.epochs": epochs,
        "paper.experiment.variants": {
            "constant_50": {},
            "constant_30": {"sparsity": 0.3},
            "constant_70": {"sparsity": 0.7},
            "normal_50": {"options": _NORMAL},
            "normal_scaled_50": {"options": {**_NORMAL, "scale_fan": True}},
            "biprop_50": _BIPROP,
            "biprop_global_50": _warmed_up(max(1, epochs // 10)),
            "recycled_50": _recycled(3 if epochs > 3 else 1),
        },
    }


def _warmed_up(epochs):
    return {**_BIPROP, "training": {"global_epochs": epochs}}


def _recycled(every):
    return {"training": {"recycling": {"rate": 0.1, "every": every}}}


ROWS = {
    "cifar10_conv2": _row("cifar10", 100),
    "mnist_conv2": _row("mnist", 3),
    "mnist_lenet_300_100": _row("mnist", 10, "lenet_300_100"),
}
_QUICK = {
    "paper.experiment.name": "quick_edge_popup",
    "paper.experiment.seeds": [0],
    "paper.experiment.training.epochs": 2,
    "paper.experiment.training.steps_per_epoch": 1,
    "paper.experiment.variants": {
        "constant_50": {},
        "biprop_global_50": _warmed_up(1),
        "recycled_50": _recycled(1),
    },
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
