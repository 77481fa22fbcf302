"""GraSP (Wang et al., 2020): Wide ResNet-32 and VGG-19 on three data sets.

https://arxiv.org/abs/2002.07376

The settings are those of its released code. The filters of Wide ResNet-32 are
twice those of ResNet-32; the dense layer of VGG-19 starts from N(0, 0.01). The
paper scores on 10 images of each class, taken twice 5 for Wide ResNet-32 on
CIFAR-100 and ten times one for Tiny-ImageNet; here the images are drawn as in
training. It reports the best test accuracy of all epochs; here it is the last.
The sparsities of the sweep are chosen here.

python tools/train.py --config=configs/grasp.py:cifar10_vgg19 \\
    --sparsity=0.95 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/grasp.py:cifar10_vgg19 \\
    --runs=runs/grasp_cifar10_vgg19
"""

from kprune.experiment import rows

_METHODS = ["grasp", "snip", "random"]
_SETTINGS = {
    "dataset": {"batch_size": 128},
    "pruner": {"method": "grasp", "sparsity": 0.95, "batches": 1},
    "training": rows.torch_sgd(5e-4, rows.tenth_at("50%", "75%"), epochs=160),
    "paper": {
        "source": "https://arxiv.org/abs/2002.07376",
        "metric": "test accuracy %",
        "sweep": rows.sweep(_METHODS, [0.9, 0.95, 0.98]),
    },
}
_RESNET = {
    "model": {"name": "resnet32", "width": 2},
    "training.optimizer_options.weight_decay": 1e-4,
    "quick": {"model.width": 2},
}
_VGG = {
    "model": {"name": "vgg19", "initializer": "kaiming_normal_fan_out"},
}
_CIFAR10 = {"dataset.name": "cifar10", "pruner.batch_size": 100}
_CIFAR100 = {"dataset.name": "cifar100", "pruner.batch_size": 1000}
_TWICE_5 = {"pruner.batches": 2, "pruner.batch_size": 500}
_TINY_IMAGENET = {
    "dataset.name": "tiny_imagenet",
    "pruner.sparsity": 0.9,
    "pruner.batches": 10,
    "pruner.batch_size": 200,
    "training.epochs": 300,
    "paper.sweep.sparsities": [0.85, 0.9, 0.95],
}
ROWS = {
    "cifar10_resnet32": {**_CIFAR10, **_RESNET},
    "cifar10_vgg19": {**_CIFAR10, **_VGG},
    "cifar100_resnet32": {**_CIFAR100, **_RESNET, **_TWICE_5},
    "cifar100_vgg19": {**_CIFAR100, **_VGG},
    "tiny_imagenet_resnet32": {**_TINY_IMAGENET, **_RESNET},
    "tiny_imagenet_vgg19": {**_TINY_IMAGENET, **_VGG},
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, rows.SMALL_BATCHES)
