"""Channels of VGG-19 on CIFAR-100 in the ProsPr paper (Alizadeh et al., 2022).

https://arxiv.org/abs/2202.08132, section 4.3, appendix A and table 2.

The paper does not say what its sparsities count: here, channels; the report of
a run has both. Nor does it give the rate and momentum of the inner steps (0.1
and none here, the defaults of its code), the number of runs, or how channels
are chosen at random: here, as many of each layer. 3SP is what the paper cites
as van Amersfoort et al., 2020, on one batch, whose size is not given.

python tools/train.py --config=configs/prospr/cifar100_vgg19_channels.py \\
    --sparsity=0.9 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/prospr/cifar100_vgg19_channels.py \\
    --runs=runs/prospr_cifar100_vgg19_channels
"""

import ml_collections

_ONE_BATCH = {"pruner.batches": 1}  # That 3SP scores on, of this size.
_VARIANTS = {  # Methods by what else than their name is theirs.
    "random": {
        "options": {
            "pruner.options": {},
            "pruner.granularity": "channel",
            "pruner.allocation": "uniform",
        }
    },
    "3SP": {
        "method": "3sp",
        "label": "3SP",
        "options": {"pruner.options": {}, **_ONE_BATCH},
    },
    "3SP + reinit": {
        "method": "3sp",
        "label": "3SP + reinit",
        "options": {"pruner.options": {"reinit": True}, **_ONE_BATCH},
    },
    "3SP + rescale": {
        "method": "3sp",
        "label": "3SP + rescale",
        "options": {"pruner.options": {"rescale": True}, **_ONE_BATCH},
    },
}
_SPARSITIES = [0.8, 0.9, 0.95]
_ACCURACY = {  # Mean and standard deviation.
    "prospr": ((72.29, 0.11), (71.12, 0.26), (68.03, 0.38)),
    "3SP": ((69.9, 0.14), (68.3, 0.12), (63.2, 0.52)),
    "3SP + reinit": ((70.3, 0.16), (69.0, 0.08), (64.2, 0.35)),
    "3SP + rescale": ((70.5, 0.13), (69.2, 0.11), (63.5, 0.63)),
    "random": ((67.5, 0.16), (63.8, 0.13), (60.1, 0.29)),
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "cifar100", "batch_size": 256}
    config.model = {"name": "vgg19"}
    config.pruner = {
        "method": "prospr",
        "sparsity": 0.9,
        "options": {"inner_steps": 3, "structured": True},
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
        "source": "https://arxiv.org/abs/2202.08132, table 2",
        "metric": "test accuracy %",
        "results": [
            {
                "method": method,
                **_VARIANTS.get(method, {}),
                "sparsity": sparsity,
                "mean": mean,
                "std": std,
            }
            for method, row in _ACCURACY.items()
            for sparsity, (mean, std) in zip(_SPARSITIES, row, strict=True)
        ]
        + [{"method": "dense", "sparsity": 0.0, "mean": 72.5}],
        "sweep": {
            "methods": ["dense", *_ACCURACY],
            "sparsities": _SPARSITIES,
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
