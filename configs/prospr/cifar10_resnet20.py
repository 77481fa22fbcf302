"""ResNet-20 on CIFAR-10 in the ProsPr paper (Alizadeh et al., 2022).

https://arxiv.org/abs/2202.08132, section 4.1, appendix A and table 3, whose
other methods are trained another way: see
configs/missing_the_mark/cifar10_resnet20.py.

The paper gives neither the rate and momentum of the inner steps (0.1 and none
here, the defaults of its code) nor the number of runs. Shortcuts are 1x1
convolutions, as the paper says; its code pads instead
(--config.model.shortcut=pad).

python tools/train.py --config=configs/prospr/cifar10_resnet20.py \\
    --sparsity=0.956 --workdir=runs/one

All sparsities:

python tools/sweep.py --config=configs/prospr/cifar10_resnet20.py \\
    --runs=runs/prospr_cifar10_resnet20
"""

import ml_collections

_ACCURACY = {  # Mean and standard deviation by sparsity.
    0.2: (92.3, 0.1),
    0.36: (92.1, 0.0),
    0.488: (91.7, 0.2),
    0.59: (91.5, 0.1),
    0.672: (91.0, 0.2),
    0.738: (90.5, 0.0),
    0.79: (90.1, 0.1),
    0.832: (89.6, 0.2),
    0.866: (88.5, 0.5),
    0.893: (87.8, 0.1),
    0.914: (86.9, 0.3),
    0.931: (85.5, 0.6),
    0.945: (84.3, 0.2),
    0.956: (83.0, 0.9),
    0.965: (80.8, 0.5),
    0.972: (79.6, 0.7),
    0.977: (77.0, 0.8),
    0.982: (74.2, 0.3),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "cifar10", "batch_size": 256}
    config.model = {"name": "resnet20"}
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
        "source": "https://arxiv.org/abs/2202.08132, table 3",
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
