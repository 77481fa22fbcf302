"""ResNet-50 on Tiny-ImageNet in the FORCE paper (de Jorge et al., 2021).

https://arxiv.org/abs/2006.09081, section 5.2 and appendix A of the first
version, in which `iter_snip` is called FORCE; `force` is that of the published
one. Its results are figures without numbers, so that there are none below, and
the sparsities of the sweep are chosen here. That a tenth of the images is held
out is said of CIFAR, and that the rest is as there.

Scores are of the loss, as the paper says; its code differentiates the true
class's logit (--config.pruner.options.released_code=true).

python tools/train.py --config=configs/force/tiny_imagenet_resnet50.py \\
    --sparsity=0.99 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/force/tiny_imagenet_resnet50.py \\
    --runs=runs/force_tiny_imagenet_resnet50
"""

import ml_collections

_VARIANTS = {  # Methods by what else than their name is theirs.
    "SNIP-MB": {"method": "snip", "options": {"pruner.batches": 1200}},
    "GraSP-MB": {"method": "grasp", "options": {"pruner.batches": 1200}},
    "random": {"options": {"pruner.allocation": "uniform"}},
}


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {
        "name": "tiny_imagenet",
        "batch_size": 128,
        "validation": 0.1,
    }
    config.model = {"name": "resnet50"}
    config.pruner = {
        "method": "iter_snip",
        "sparsity": 0.99,
        "batches": 20,  # Of each of 60 rounds; one round takes those of all.
        "batch_size": 128,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 5e-4},
        "learning_rate": 0.1,
        "schedule": {
            "name": "multi_step",
            "at": ["150ep", "225ep"],
            "factor": 0.1,
        },
        "epochs": 300,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2006.09081v1, figure 3",
        "metric": "test accuracy %",
        "results": [
            {"label": label, "method": label, **row}
            for label, row in _VARIANTS.items()
        ],
        "sweep": {
            "methods": ["dense", "iter_snip", "force", "grasp_it", *_VARIANTS],
            "sparsities": [0.9, 0.95, 0.98, 0.99, 0.995, 0.999],
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
