"""ResNet-18 on Tiny-ImageNet in "Missing the Mark?" (Frankle et al., 2021).

https://arxiv.org/abs/2009.08576, "Pruning Neural Networks at Initialization:
Why Are We Missing the Mark?"; accuracies as in table 5 of ProsPr,
https://arxiv.org/abs/2202.08132, which has none of GraSP and random pruning.
For ProsPr see configs/prospr/tiny_imagenet_resnet18.py.

Not verified: how the paper trained, and that it scored on two thousand images.
Images are drawn as in training, not class by class.

python tools/train.py --sparsity=0.956 --workdir=runs/one \\
    --config=configs/missing_the_mark/tiny_imagenet_resnet18.py

All methods:

python tools/sweep.py --runs=runs/missing_the_mark_tiny_imagenet_resnet18 \\
    --config=configs/missing_the_mark/tiny_imagenet_resnet18.py
"""

import ml_collections

_METHODS = ["magnitude", "snip", "synflow"]
_ACCURACY = {  # By sparsity: mean and standard deviation of these.
    0.2: ((51.0, 0.3), (51.4, 0.2), (51.8, 0.3)),
    0.36: ((51.2, 0.3), (51.5, 0.3), (51.6, 0.3)),
    0.488: ((51.0, 0.2), (51.4, 0.3), (51.7, 0.7)),
    0.59: ((50.5, 0.5), (51.3, 0.5), (51.8, 0.2)),
    0.672: ((50.6, 0.3), (51.6, 0.4), (51.3, 0.4)),
    0.738: ((50.0, 0.3), (51.4, 0.5), (51.3, 0.4)),
    0.79: ((50.3, 0.2), (51.9, 0.6), (51.5, 0.2)),
    0.832: ((50.3, 0.3), (51.5, 0.3), (51.0, 0.4)),
    0.866: ((50.0, 0.1), (51.0, 0.2), (50.2, 0.4)),
    0.893: ((49.8, 0.5), (51.2, 0.7), (50.4, 0.3)),
    0.914: ((49.0, 0.1), (50.6, 0.3), (49.1, 0.0)),
    0.931: ((48.3, 0.3), (50.1, 0.3), (48.0, 0.5)),
    0.945: ((47.2, 0.2), (49.2, 0.3), (46.7, 0.7)),
    0.956: ((46.2, 0.2), (47.8, 0.2), (45.6, 0.0)),
    0.965: ((44.4, 0.5), (46.7, 0.1), (44.0, 0.2)),
    0.972: ((42.2, 0.1), (45.2, 0.4), (42.2, 0.3)),
    0.977: ((40.8, 0.4), (44.5, 0.3), (40.0, 0.1)),
    0.982: ((38.1, 0.6), (42.3, 0.3), (38.2, 0.5)),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "tiny_imagenet", "batch_size": 256}
    config.model = {"name": "resnet18"}
    config.pruner = {
        "method": "snip",
        "sparsity": 0.956,
        "batches": 10,
        "batch_size": 200,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.2,
        "schedule": {
            "name": "multi_step",
            "at": ["100ep", "150ep"],
            "factor": 0.1,
        },
        "epochs": 200,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2202.08132, table 5",
        "metric": "test accuracy %",
        "results": [
            {"method": method, "sparsity": sparsity, "mean": mean, "std": std}
            for sparsity, row in _ACCURACY.items()
            for method, (mean, std) in zip(_METHODS, row, strict=True)
        ],
        "sweep": {
            "methods": [
                "dense",
                "magnitude",
                "snip",
                "grasp",
                "synflow",
                "random",
            ],
            "sparsities": list(_ACCURACY),
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "resnet_cifar", "depth": 8}
        config.pruner.update(batches=1, batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
