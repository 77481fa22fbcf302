"""VGG-16 on CIFAR-10 in "Missing the Mark?" (Frankle et al., 2021).

https://arxiv.org/abs/2009.08576, "Pruning Neural Networks at Initialization:
Why Are We Missing the Mark?"; accuracies as in table 4 of ProsPr,
https://arxiv.org/abs/2202.08132, which has none of GraSP, SynFlow and random
pruning. For ProsPr see configs/prospr/cifar10_vgg16.py.

Not verified: how the paper trained, and that it scored on a hundred images;
open_lth, its code, normalizes by the statistics of ImageNet. Images are drawn
as in training, not class by class.

python tools/train.py --config=configs/missing_the_mark/cifar10_vgg16.py \\
    --sparsity=0.956 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/missing_the_mark/cifar10_vgg16.py \\
    --runs=runs/missing_the_mark_cifar10_vgg16
"""

import ml_collections

_METHODS = ["magnitude", "snip"]
_ACCURACY = {  # By sparsity: mean and standard deviation of these.
    0.2: ((93.6, 0.2), (93.6, 0.1)),
    0.36: ((93.4, 0.2), (93.4, 0.1)),
    0.488: ((93.3, 0.1), (93.3, 0.1)),
    0.59: ((93.2, 0.2), (93.4, 0.2)),
    0.672: ((93.3, 0.3), (93.3, 0.2)),
    0.738: ((93.0, 0.1), (93.4, 0.1)),
    0.79: ((93.1, 0.1), (93.1, 0.1)),
    0.832: ((92.9, 0.1), (93.1, 0.1)),
    0.866: ((92.9, 0.2), (93.2, 0.1)),
    0.893: ((92.7, 0.1), (93.1, 0.1)),
    0.914: ((92.5, 0.2), (92.9, 0.1)),
    0.931: ((92.3, 0.1), (92.8, 0.2)),
    0.945: ((92.2, 0.2), (92.8, 0.1)),
    0.956: ((92.0, 0.1), (92.3, 0.2)),
    0.965: ((91.8, 0.2), (92.2, 0.1)),
    0.972: ((91.5, 0.1), (92.1, 0.1)),
    0.977: ((91.3, 0.3), (91.7, 0.1)),
    0.982: ((90.9, 0.2), (91.5, 0.1)),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": "cifar10",
        "batch_size": 128,
        "normalization": "imagenet",
    }
    config.model = {"name": "vgg16"}
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
        "source": "https://arxiv.org/abs/2202.08132, table 4",
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
        config.dataset.update(
            name="digits", batch_size=16, normalization="default"
        )
        config.model = {"name": "conv6"}  # Images of 8x8 are too small for VGG.
        config.pruner.update(batches=1, batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
