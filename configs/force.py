"""FORCE and Iter-SNIP (de Jorge et al., 2021): ResNet-50 and VGG-19.

https://arxiv.org/abs/2006.09081, of whose first version these are the
experiments; there `iter_snip` is called FORCE. `force` is that of the published
version. Scores are of the loss, as the paper says; its code differentiates the
true class's logit (--config.pruner.options.released_code=true).

CIFAR-10: section 5.1 and appendix A. The results are figures: the numbers below
are those of the text, and are round. For ResNet-50, `iter_snip` stays above
chance down to 0.01 % of the weights; for VGG-19 it too falls to chance beyond a
sparsity of 99.9 %. The sparsities of the sweep are chosen here, as the text
names but a few.

CIFAR-100 and Tiny-ImageNet: section 5.2 and appendix A. The results are figures
without numbers, so that there are none below, and the sparsities of the sweep
are chosen here. That a tenth of the images is held out is said of CIFAR; for
Tiny-ImageNet this and the rest are taken to be as there.

Stable ResNet: appendix D, figure 8, whose numbers are not given: ResNet-50 on
CIFAR-10 and CIFAR-100, each branch divided by the root of the number of blocks,
beside the same without (`*_resnet50`).

GraSP itself, iterated: appendix E.2, where it is said to leave networks that do
not train, and no numbers are given; `GraSP-It` of the other rows is another
score, that of E.1. The row's sparsity of 99 % is that of figure 10.

Rounds: figure 4b, accuracy at 99.5 % over the number T of rounds by either
schedule, of a network and a training that a small machine bears: LeNet-5 on
MNIST, Adam at 1.2e-3, batches of 60, 5 epochs. T = 1 is SNIP. Not measured yet.

ImageNet: tables 1, 2 and 4, trained as in PyTorch's ImageNet example; VGG-19
has batch norm. The results of `force` are those in table 1 of ProsPr,
https://arxiv.org/abs/2202.08132.

python tools/train.py --config=configs/force.py:cifar10_vgg19 \\
    --sparsity=0.999 --workdir=runs/one

All methods, here on several GPUs:

python tools/sweep.py --config=configs/force.py:imagenet_resnet50 \\
    --runs=runs/force_imagenet_resnet50 --config.distribute=mirrored
"""

from kprune.experiment import rows

_PAPER = "https://arxiv.org/abs/2006.09081v1"
_METHODS = ["iter_snip", "force", "grasp_it"]
_SPARSITIES = [0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
_SETTINGS = {
    "dataset": {"batch_size": 128, "validation": 0.1},
    "pruner": {"method": "iter_snip", "sparsity": 0.99, "batch_size": 128},
    "training": rows.torch_sgd(5e-4, rows.tenth_at("150ep", "250ep"), 350),
    "paper": {"metric": "test accuracy %"},
}


def _variants(batches, **options):
    """Returns the methods of one round by what else than their name is theirs,
    on as many batches as those of many rounds take in all."""
    common = {f"pruner.{key}": value for key, value in options.items()}
    many = {**common, "pruner.batches": batches}
    return {
        "SNIP-MB": {"method": "snip", "options": many},
        "GraSP-MB": {"method": "grasp", "options": many},
        "random": {"options": {**common, "pruner.allocation": "uniform"}},
    }


def _result(label, variants, **figure):
    own = {"label": label, "method": label, **variants.get(label, {})}
    return {**own, **figure}


def _cifar10(network, random, sparsities):
    """Returns the row of a network, and of random masks' accuracy at 99 %."""
    many = _variants(300, rounds=1)
    one_round = {"pruner.rounds": 1}
    variants = {
        "SNIP": {"method": "snip", "options": one_round},
        "SNIP-MB": many["SNIP-MB"],
        "GraSP": {"method": "grasp", "options": one_round},
        "GraSP-MB": many["GraSP-MB"],
        "random": many["random"],
    }
    accuracy = {
        0.99: {"SNIP": 10.0, "SNIP-MB": 90.0, "random": random},
        0.999: {**dict.fromkeys(variants, 10.0), "iter_snip": 80.0},
    }
    return {
        "dataset.name": "cifar10",
        "model": {"name": network},
        "pruner.rounds": 300,
        "pruner.batches": 1,
        "paper.source": f"{_PAPER}, section 5.1",
        "paper.results": [
            _result(label, variants, sparsity=sparsity, mean=mean, n=3)
            for sparsity, means in accuracy.items()
            for label, mean in means.items()
        ],
        "paper.sweep": rows.sweep([*_METHODS, *variants], sparsities),
    }


def _figure_3(dataset, network, batches):
    """Returns a row of those without numbers, by the batches of each of 60
    rounds; one round takes those of all."""
    variants = _variants(60 * batches)
    return {
        "dataset.name": dataset,
        "model": {"name": network},
        "pruner.batches": batches,
        "paper.source": f"{_PAPER}, figure 3",
        "paper.results": [_result(label, variants) for label in variants],
        "paper.sweep": rows.sweep([*_METHODS, *variants], _SPARSITIES),
    }


def _stable(row, one_round):
    """Returns a row of Stable ResNet-50, with a method of one round."""
    snip = next(r for r in row["paper.results"] if r["label"] == one_round)
    return {
        **row,
        "model": {"name": "resnet50", "stable": True},
        "paper.source": f"{_PAPER}, figure 8",
        "paper.results": [
            {k: snip[k] for k in ("label", "method", "options")},
        ],
        "paper.sweep": rows.sweep(["iter_snip", one_round], _SPARSITIES),
        "quick": {"model.stable": True},
    }


def _iterated_grasp(network):
    return {
        "dataset.name": "cifar10",
        "model": {"name": network},
        "pruner.method": "grasp",
        "pruner.rounds": 300,
        "pruner.schedule": "exponential",
        "pruner.batches": 1,
        "paper.source": f"{_PAPER}, appendix E.2",
        "paper.sweep": rows.sweep(["grasp", "grasp_it", "iter_snip"], [0.99]),
    }


def _rounds(counts, sparsity):
    """Returns the row of figure 4b, on LeNet-5."""
    results = [
        {
            "method": "iter_snip",
            "label": f"{schedule}_{count}",
            "options": {"pruner.rounds": count, "pruner.schedule": schedule},
        }
        for schedule in ("exponential", "linear")
        for count in counts
    ]
    labels = [row["label"] for row in results]
    return {
        "dataset": {"name": "mnist", "batch_size": 60},
        "model": {"name": "lenet5"},
        "pruner.sparsity": sparsity,
        "pruner.batches": 1,
        "training": {
            "optimizer": "adam",
            "learning_rate": 1.2e-3,
            "epochs": 5,
            "steps_per_execution": 50,
        },
        "paper.source": f"{_PAPER}, figure 4b",
        "paper.results": results,
        "paper.sweep": rows.sweep(["snip", *labels], [sparsity]),
        "quick": {"model": {"name": "conv2"}},
    }


def _tiny_imagenet(network):
    return {
        **_figure_3("tiny_imagenet", network, batches=20),
        "training.schedule.at": ["150ep", "225ep"],
        "training.epochs": 300,
    }


def _imagenet(model, dense, top_1):
    """Returns the row of a model by the accuracies of it, whole and pruned."""
    variants = _variants(60 * 40)
    sparsities = _SPARSITIES[:4]
    return {
        "dataset": {"name": "imagenet2012", "batch_size": 256},
        "model": model,
        "pruner.sparsity": 0.95,
        "pruner.batches": 40,  # Of each of 60 rounds.
        "pruner.batch_size": 256,
        "training.optimizer_options.weight_decay": 1e-4,
        "training.schedule": {"name": "step", "every": "30ep", "factor": 0.1},
        "training.epochs": 90,
        "paper.source": f"{_PAPER}, tables 1, 2 and 4",
        "paper.results": [
            *[
                _result(label, variants, sparsity=sparsity, mean=mean)
                for label, means in top_1.items()
                for sparsity, mean in zip(sparsities, means, strict=False)
            ],
            {"method": "dense", "sparsity": 0.0, "mean": dense},
        ],
        "paper.sweep": rows.sweep(top_1, sparsities),
    }


ROWS = {
    "cifar10_resnet50": _cifar10("resnet50", 75.0, [*_SPARSITIES, 0.9999]),
    "cifar10_vgg19": _cifar10("vgg19", 82.0, _SPARSITIES),
    "cifar100_resnet50": _figure_3("cifar100", "resnet50", batches=10),
    "cifar100_vgg19": _figure_3("cifar100", "vgg19", batches=10),
    "tiny_imagenet_resnet50": _tiny_imagenet("resnet50"),
    "tiny_imagenet_vgg19": _tiny_imagenet("vgg19"),
    "cifar10_stable_resnet50": _stable(_cifar10("resnet50", 75.0, []), "SNIP"),
    "cifar100_stable_resnet50": _stable(
        _figure_3("cifar100", "resnet50", batches=10), "SNIP-MB"
    ),
    "cifar10_resnet50_iterated_grasp": _iterated_grasp("resnet50"),
    "cifar10_vgg19_iterated_grasp": _iterated_grasp("vgg19"),
    "mnist_lenet5_rounds": _rounds([2, 5, 10, 20, 50], 0.995),
    "imagenet_resnet50": _imagenet(
        {"name": "resnet50", "stem": "imagenet"},
        75.6,
        {
            "iter_snip": (63.7, 54.7, 42.1, 31.1),
            "force": (64.9, 59.0),
            "SNIP-MB": (61.5, 44.3, 7.0, 0.1),
            "GraSP-MB": (65.4, 46.2, 1.6, 0.1),
            "grasp_it": (61.9, 49.6, 31.0, 19.6),
            "random": (64.6, 57.2, 45.0, 32.4),
        },
    ),
    "imagenet_vgg19": _imagenet(
        {"name": "vgg19_bn"},
        73.1,
        {
            "iter_snip": (69.8, 65.9, 53.9, 40.4),
            "force": (70.2, 65.8),
            "SNIP-MB": (68.5, 63.8, 51.3, 33.4),
            "GraSP-MB": (69.5, 67.6, 0.1, 0.1),
            "grasp_it": (68.5, 62.6, 47.2, 29.1),
            "random": (64.2, 56.6, 42.2, 29.0),
        },
    ),
}
_QUICK = {**rows.SMALL_BATCHES, "pruner.rounds": 2}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
