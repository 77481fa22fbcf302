"""ASNI (Damadi, Nouri & Pirsiavash, 2022): the rows of tables 1 and 2.

https://arxiv.org/abs/2202.09284: magnitude pruning on a sigmoid schedule while
training (A), beside the dense network (D), and the sparse one trained again
from its original weights (S) or from two values per layer (C). All four, and
their table:

python tools/studies/run.py asni --config=configs/asni.py:mnist_fc \\
    --runs=runs/asni

One run of A:

python tools/train.py --config=configs/asni.py:mnist_fc --workdir=runs/one

Not stated in the paper, or not as it must have been meant: the course of the
cosine (a half one here), the last epoch that prunes (the second to last, from
the counts it prints), the initialization of the small networks.
"""

from kprune.experiment import rows

# alpha, gamma; what the paper has: non-zero parameters (biases included), and
# the accuracies of D, A, C and S.
_TABLES = {
    "mnist_fc": (98, 5, 8_335, (96.88, 96.72, 96.93, 96.75)),
    "mnist_conv2": (99.2, 2, 86_363, (98.09, 98.12, 98.14, 98.03)),
    "mnist_conv4": (98.5, 2, 39_828, (98.33, 98.46, 98.52, 98.27)),
    "mnist_conv6": (98.5, 3, 51_420, (98.25, 98.54, 98.53, 98.36)),
    "cifar10_conv2": (98.5, 2, 141_364, (76.10, 74.61, 76.4, 75.26)),
    "cifar10_conv4": (95, 2, 134_185, (84.34, 84.0, 83.76, 83.24)),
    "cifar10_conv6": (94, 3, 164_624, (86.69, 86.1, 85.72, 85.55)),
    "cifar10_vgg11": (97, 16, 356_230, (92.40, 91.51, 91.18, 89.94)),
    "cifar10_vgg13": (98, 16, 269_221, (94.23, 92.98, 92.29, 91.67)),
    "cifar10_vgg16": (99, 16, 272_626, (93.90, 93.45, 92.13, 91.94)),
    "cifar10_resnet18": (97, 16, 451_216, (88.24, 87.78, 87.32, 87.15)),
    "imagenet_resnet50": (81.04, 10, 5_140_882, (75.02, 74.58, 74.78, 69.89)),
    "imagenet_resnet50_more": (
        91.05,
        10,
        2_534_267,
        (75.02, 73.18, 72.79, 65.43),
    ),
}
_SMALL = {  # Epochs and rate of Adam.
    "fc": (50, 1.2e-3),
    "conv2": (20, 2e-4),
    "conv4": (25, 3e-4),
    "conv6": (30, 3e-4),
}
_MODELS = {
    "fc": {"name": "lenet_300_100"},
    "resnet18": {"name": "resnet18", "stem": "imagenet"},
}
_SETTINGS = {
    "dataset": {"batch_size": 128},
    # The sparsity follows from the options.
    "pruner": {"method": "asni", "sparsity": None, "options": {"beta": 0.5}},
    "paper": {
        "source": "https://arxiv.org/abs/2202.09284, table 2",
        "metric": "test accuracy %",
    },
}


def _row(name, alpha, gamma, nonzeros, accuracies):
    dataset, network = name.removesuffix("_more").split("_")
    row = {
        "dataset.name": "imagenet2012" if dataset == "imagenet" else dataset,
        "model": _MODELS.get(network, {"name": network}),
        "pruner.options.alpha": float(alpha),
        "pruner.options.gamma": float(gamma),
        "training": _training(network),
        "paper.nonzeros": nonzeros,
        "paper.variants": dict(zip("DACS", accuracies, strict=True)),
    }
    if network in _SMALL:
        row["dataset.batch_size"] = 60
        if dataset == "cifar10":
            row["dataset.augment"] = False
    elif dataset == "imagenet":
        row["dataset.batch_size"] = 820
    return row


def _training(network):
    if network in _SMALL:
        epochs, rate = _SMALL[network]
        return {
            "optimizer": "adam",
            "learning_rate": rate,
            "epochs": epochs,
            "steps_per_epoch": 1000,
            "steps_per_execution": 50,
        }
    large = network == "resnet50"
    weight_decay, epochs = (1e-4, 90) if large else (5e-4, 160)
    schedule = {"name": "asni_cosine", "delta": 0.02 if large else 0.06}
    return {
        **rows.torch_sgd(weight_decay, schedule, epochs),
        "learning_rate": 0.35 if large else 0.05,
    }


ROWS = {name: _row(name, *values) for name, values in _TABLES.items()}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS)
