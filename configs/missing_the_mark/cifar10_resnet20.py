"""ResNet-20 on CIFAR-10 in "Missing the Mark?" (Frankle et al., 2021).

https://arxiv.org/abs/2009.08576, "Pruning Neural Networks at Initialization:
Why Are We Missing the Mark?"; accuracies as in table 3 of ProsPr,
https://arxiv.org/abs/2202.08132. For ProsPr see
configs/prospr/cifar10_resnet20.py.

Not verified: how the paper trained, and that it scored on a hundred images;
open_lth, its code, has these defaults for ResNet-20, and normalizes by the
statistics of ImageNet. Images are drawn as in training, not class by class.

python tools/train.py --config=configs/missing_the_mark/cifar10_resnet20.py \\
    --sparsity=0.956 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/missing_the_mark/cifar10_resnet20.py \\
    --runs=runs/missing_the_mark_cifar10_resnet20
"""

import ml_collections

_METHODS = ["magnitude", "snip", "grasp", "synflow", "random"]
_ACCURACY = {  # By sparsity: mean and standard deviation of these.
    0.2: ((91.5, 0.2), (91.8, 0.2), (91.5, 0.1), (91.7, 0.1), (91.6, 0.2)),
    0.36: ((91.2, 0.1), (91.2, 0.3), (91.3, 0.2), (91.3, 0.2), (91.2, 0.2)),
    0.488: ((90.8, 0.1), (90.9, 0.1), (91.2, 0.1), (91.2, 0.1), (90.8, 0.3)),
    0.59: ((90.7, 0.2), (90.7, 0.1), (90.6, 0.2), (90.8, 0.1), (90.5, 0.2)),
    0.672: ((90.2, 0.1), (90.1, 0.2), (90.3, 0.2), (90.4, 0.2), (89.8, 0.2)),
    0.738: ((89.8, 0.2), (89.7, 0.3), (89.6, 0.1), (89.8, 0.1), (89.0, 0.4)),
    0.79: ((89.3, 0.2), (89.0, 0.2), (89.1, 0.2), (89.5, 0.3), (88.4, 0.2)),
    0.832: ((88.6, 0.2), (88.5, 0.3), (88.4, 0.2), (88.9, 0.4), (87.5, 0.3)),
    0.866: ((87.9, 0.3), (87.7, 0.2), (87.9, 0.1), (88.1, 0.1), (86.6, 0.2)),
    0.893: ((87.0, 0.3), (87.2, 0.4), (87.0, 0.2), (87.4, 0.5), (85.6, 0.3)),
    0.914: ((86.1, 0.2), (85.8, 0.1), (85.9, 0.1), (86.1, 0.2), (84.3, 0.4)),
    0.931: ((85.2, 0.4), (84.7, 0.5), (85.1, 0.4), (85.4, 0.2), (83.1, 0.4)),
    0.945: ((83.9, 0.2), (83.8, 0.3), (83.9, 0.4), (84.3, 0.2), (81.6, 0.3)),
    0.956: ((82.5, 0.4), (82.5, 0.4), (82.8, 0.2), (82.9, 0.2), (79.6, 0.4)),
    0.965: ((80.7, 0.5), (80.9, 0.2), (81.2, 0.2), (81.7, 0.2), (74.2, 6.4)),
    0.972: ((79.1, 0.4), (79.1, 0.2), (79.7, 0.3), (80.0, 0.3), (64.7, 9.7)),
    0.977: ((77.2, 0.4), (77.3, 0.2), (78.0, 0.3), (78.6, 0.4), (56.9, 8.5)),
    0.982: ((74.5, 0.7), (74.0, 0.5), (76.0, 0.5), (76.4, 0.4), (43.7, 12.5)),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": "cifar10",
        "batch_size": 128,
        "normalization": "imagenet",
    }
    config.model = {"name": "resnet20"}
    config.pruner = {
        "method": "snip",
        "sparsity": 0.956,
        "batches": 1,
        "batch_size": 100,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.1,
        "schedule": {
            "name": "multi_step",
            "at": ["80ep", "120ep"],
            "factor": 0.1,
        },
        "epochs": 160,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2202.08132, table 3",
        "metric": "test accuracy %",
        "results": [
            {"method": method, "sparsity": sparsity, "mean": mean, "std": std}
            for sparsity, row in _ACCURACY.items()
            for method, (mean, std) in zip(_METHODS, row, strict=True)
        ],
        "sweep": {
            "methods": ["dense", *_METHODS],
            "sparsities": list(_ACCURACY),
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(
            name="digits", batch_size=16, normalization="default"
        )
        config.model = {"name": "resnet_cifar", "depth": 8}
        config.pruner.update(batches=1, batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
