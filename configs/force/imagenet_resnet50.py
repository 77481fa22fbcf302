"""ResNet-50 on ImageNet in the FORCE paper (de Jorge et al., 2021).

https://arxiv.org/abs/2006.09081, tables 1, 2 and 4 of the first version, in
which `iter_snip` is called FORCE. The results of `force`, that of the published
version, are those in table 1 of ProsPr, https://arxiv.org/abs/2202.08132.
Trained as in PyTorch's ImageNet example.

Scores are of the loss, as the paper says; its code differentiates the true
class's logit (--config.pruner.options.released_code=true).

python tools/train.py --config=configs/force/imagenet_resnet50.py \\
    --sparsity=0.95 --workdir=runs/one --config.distribute=mirrored

All methods:

python tools/sweep.py --config=configs/force/imagenet_resnet50.py \\
    --runs=runs/force_imagenet_resnet50 --config.distribute=mirrored
"""

import ml_collections

_VARIANTS = {  # Methods by what else than their name is theirs.
    "SNIP-MB": {"method": "snip", "options": {"pruner.batches": 2400}},
    "GraSP-MB": {"method": "grasp", "options": {"pruner.batches": 2400}},
    "random": {"options": {"pruner.allocation": "uniform"}},
}
_SPARSITIES = [0.9, 0.95, 0.98, 0.99]
_TOP_1 = {
    "iter_snip": (63.7, 54.7, 42.1, 31.1),
    "force": (64.9, 59.0),
    "SNIP-MB": (61.5, 44.3, 7.0, 0.1),
    "GraSP-MB": (65.4, 46.2, 1.6, 0.1),
    "grasp_it": (61.9, 49.6, 31.0, 19.6),
    "random": (64.6, 57.2, 45.0, 32.4),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "imagenet2012", "batch_size": 256}
    config.model = {"name": "resnet50", "stem": "imagenet"}
    config.pruner = {
        "method": "iter_snip",
        "sparsity": 0.95,
        "batches": 40,  # Of each of 60 rounds; one round takes those of all.
        "batch_size": 256,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.1,
        "schedule": {"name": "step", "every": "30ep", "factor": 0.1},
        "epochs": 90,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2006.09081v1, tables 1, 2 and 4",
        "metric": "test accuracy %",
        "results": [
            {
                "label": label,
                "method": label,
                **_VARIANTS.get(label, {}),
                "sparsity": sparsity,
                "mean": mean,
            }
            for label, row in _TOP_1.items()
            for sparsity, mean in zip(_SPARSITIES, row, strict=False)
        ]
        + [{"method": "dense", "sparsity": 0.0, "mean": 75.6}],
        "sweep": {
            "methods": ["dense", *_TOP_1],
            "sparsities": _SPARSITIES,
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "resnet_cifar", "depth": 8}
        config.pruner.update(rounds=2, batches=1, batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
