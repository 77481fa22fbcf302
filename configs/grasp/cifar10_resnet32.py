"""Wide ResNet-32 on CIFAR-10 in the GraSP paper (Wang et al., 2020).

https://arxiv.org/abs/2002.07376

Its filters are twice those of ResNet-32. The settings are those of its released
code. It scores on 10 images of each class; here the images are drawn as in
training. It reports the best test accuracy of all epochs; here it is the last.
The sparsities of the sweep are chosen here.

python tools/train.py --config=configs/grasp/cifar10_resnet32.py \\
    --sparsity=0.95 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/grasp/cifar10_resnet32.py \\
    --runs=runs/grasp_cifar10_resnet32
"""

import ml_collections


def get_config(arg=""):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "cifar10", "batch_size": 128}
    config.model = {"name": "resnet32", "width": 2}
    config.pruner = {
        "method": "grasp",
        "sparsity": 0.95,
        "batches": 1,
        "batch_size": 100,
    }
    config.training = {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4},
        "learning_rate": 0.1,
        "schedule": {"name": "multi_step", "at": ["50%", "75%"], "factor": 0.1},
        "epochs": 160,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/2002.07376",
        "metric": "test accuracy %",
        "sweep": {
            "methods": ["dense", "grasp", "snip", "random"],
            "sparsities": [0.9, 0.95, 0.98],
            "seeds": [0, 1, 2],
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.update(name="digits", batch_size=16)
        config.model = {"name": "resnet_cifar", "depth": 8, "width": 2}
        config.pruner.update(batches=1, batch_size=16)
        config.training.update(epochs=1, steps_per_epoch=2)
    elif arg:
        raise ValueError(f"Expected :quick or nothing. Received: {arg!r}")
    return config
