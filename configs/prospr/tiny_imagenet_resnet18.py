"""ResNet-18 on Tiny-ImageNet in the ProsPr paper (Alizadeh et al., 2022).

https://arxiv.org/abs/2202.08132, section 4.1, appendix A and table 5, whose
other methods are trained another way: see
configs/missing_the_mark/tiny_imagenet_resnet18.py.

The paper gives neither the rate and momentum of the inner steps (0.1 and none
here, the defaults of its code) nor the number of runs.

python tools/train.py --config=configs/prospr/tiny_imagenet_resnet18.py \\
    --sparsity=0.956 --workdir=runs/one

All sparsities:

python tools/sweep.py --config=configs/prospr/tiny_imagenet_resnet18.py \\
    --runs=runs/prospr_tiny_imagenet_resnet18
"""

import ml_collections

_ACCURACY = {  # Mean and standard deviation by sparsity.
    0.2: (51.8, 0.4),
    0.36: (51.4, 0.7),
    0.488: (51.2, 0.9),
    0.59: (52.0, 0.2),
    0.672: (51.8, 0.1),
    0.738: (51.2, 0.4),
    0.79: (52.0, 0.3),
    0.832: (51.6, 0.7),
    0.866: (51.1, 0.4),
    0.893: (50.7, 0.6),
    0.914: (50.9, 0.3),
    0.931: (50.8, 1.2),
    0.945: (51.1, 0.7),
    0.956: (50.8, 0.5),
    0.965: (50.8, 0.3),
    0.972: (49.6, 0.6),
    0.977: (49.2, 0.2),
    0.982: (46.9, 0.7),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "tiny_imagenet", "batch_size": 256}
    config.model = {"name": "resnet18"}
    config.pruner = {
        "method": "prospr",
        "sparsity": 0.956,
        "options": {"inner_steps": 3},
        "batches": 4,  # One for each inner step, one for the loss after them.
        "batch_size": 512,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 5e-4},
        "learning_rate": 0.1,
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
            {"method": "prospr", "sparsity": sparsity, "mean": mean, "std": std}
            for sparsity, (mean, std) in _ACCURACY.items()
        ],
        "sweep": {
            "methods": ["dense", "prospr"],
            "sparsities": list(_ACCURACY),
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "resnet_cifar", "depth": 8}
        config.pruner.update(batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
