"""ResNet-50 on ImageNet in the ProsPr paper (Alizadeh et al., 2022).

https://arxiv.org/abs/2202.08132, section 4.2, appendix A and table 1, whose
other methods are those of the FORCE paper: see
configs/force/imagenet_resnet50.py.

The paper gives neither the rate and momentum of the inner steps (0.1 and none
here, the defaults of its code) nor the number of runs.

python tools/train.py --config=configs/prospr/imagenet_resnet50.py \\
    --sparsity=0.95 --workdir=runs/one --config.distribute=mirrored

All sparsities:

python tools/sweep.py --config=configs/prospr/imagenet_resnet50.py \\
    --runs=runs/prospr_imagenet_resnet50 --config.distribute=mirrored
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "imagenet2012", "batch_size": 256}
    config.model = {"name": "resnet50", "stem": "imagenet"}
    config.pruner = {
        "method": "prospr",
        "sparsity": 0.95,
        "options": {"inner_steps": 1024, "first_order": True},
        "batches": 1025,  # One for each inner step, one for the loss after.
        "batch_size": 256,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.1,
        "schedule": {
            "name": "multi_step",
            "at": ["30ep", "60ep", "90ep"],
            "factor": 0.1,
        },
        "epochs": 100,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2202.08132, table 1",
        "metric": "test accuracy %",
        "results": [
            {"method": "prospr", "sparsity": 0.9, "mean": 66.86},
            {"method": "prospr", "sparsity": 0.95, "mean": 59.62},
        ],
        "sweep": {
            "methods": ["dense", "prospr"],
            "sparsities": [0.9, 0.95],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "resnet_cifar", "depth": 8}
        config.pruner.update(batches=3, batch_size=16)
        config.pruner.options.inner_steps = 2
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
