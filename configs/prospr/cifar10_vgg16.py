"""VGG-16 on CIFAR-10 in the ProsPr paper (Alizadeh et al., 2022).

https://arxiv.org/abs/2202.08132, section 4.1, appendix A and table 4, whose
other methods are trained another way: see
configs/missing_the_mark/cifar10_vgg16.py.

The paper gives neither the rate and momentum of the inner steps (0.1 and none
here, the defaults of its code) nor the number of runs.

python tools/train.py --config=configs/prospr/cifar10_vgg16.py \\
    --sparsity=0.956 --workdir=runs/one

All sparsities:

python tools/sweep.py --config=configs/prospr/cifar10_vgg16.py \\
    --runs=runs/prospr_cifar10_vgg16
"""

import ml_collections

_ACCURACY = {  # Mean and standard deviation by sparsity.
    0.2: (93.7, 0.2),
    0.36: (93.7, 0.1),
    0.488: (93.9, 0.1),
    0.59: (93.8, 0.1),
    0.672: (93.8, 0.1),
    0.738: (93.5, 0.2),
    0.79: (93.6, 0.1),
    0.832: (93.4, 0.3),
    0.866: (93.5, 0.2),
    0.893: (93.3, 0.1),
    0.914: (93.0, 0.1),
    0.931: (93.0, 0.1),
    0.945: (92.8, 0.3),
    0.956: (92.7, 0.1),
    0.965: (92.6, 0.1),
    0.972: (92.2, 0.1),
    0.977: (92.1, 0.2),
    0.982: (91.6, 0.4),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "cifar10", "batch_size": 256}
    config.model = {"name": "vgg16"}
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
        "source": "https://arxiv.org/abs/2202.08132, table 4",
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
        config.model = {"name": "conv6"}  # Images of 8x8 are too small for VGG.
        config.pruner.update(batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
