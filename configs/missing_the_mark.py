"""Pruning Neural Networks at Initialization: Why Are We Missing the Mark?

Frankle et al. (2021), https://arxiv.org/abs/2009.08576. The accuracies are
those in tables 3, 4 and 5 of ProsPr, https://arxiv.org/abs/2202.08132, which
have none of GraSP, SynFlow and random pruning for VGG-16, and none of GraSP and
random pruning for Tiny-ImageNet. For ProsPr itself see configs/prospr.py.

Not verified: how the paper trained, and that it scored on a hundred images (two
thousand of Tiny-ImageNet). open_lth, its code, has these defaults for
ResNet-20, and normalizes CIFAR-10 by the statistics of ImageNet. Images are
drawn as in training, not class by class.

The rows `*_ltr` and `*_magnitude_after` prune after training, by `kprune
tickets`: lottery ticket rewinding removes a fifth of what is left at each of 18
levels, and magnitude after training prunes once, each sparsity by a search of
its own. `paper.published` has their figures, as far as the tables are to be
read: of VGG-16 those of LTR, of the two ResNets those of magnitude. Not
verified: that LTR rewinds to step 1000, and that magnitude after training goes
on from the trained weights through the whole schedule of the rate once more.

python tools/find_ticket.py --runs=runs/tickets \\
    --config=configs/missing_the_mark.py:cifar10_resnet20_ltr

python tools/train.py --config=configs/missing_the_mark.py:cifar10_vgg16 \\
    --sparsity=0.956 --workdir=runs/one

All methods:

python tools/sweep.py --config=configs/missing_the_mark.py:cifar10_vgg16 \\
    --runs=runs/missing_the_mark_cifar10_vgg16
"""

from kprune.experiment import rows

_METHODS = ["magnitude", "snip", "grasp", "synflow", "random"]
_RESNET20 = {  # By sparsity: mean and standard deviation of all methods.
    0.2: ((91.5, 0.2), (91.8, 0.2), (91.5, 0.1), (91.7, 0.1), (91.6, 0.2)),
    0.36: ((91.2, 0.1), (91.2, 0.3), (91.3, 0.2), (91.3, 0.2), (91.2, 0.2)),
    0.488: ((90.8, 0.1), (90.9, 0.1), (91.2, 0.1), (91.2, 0.1), (90.8, 0.3)),
    0.59: ((90.7, 0.2), (90.7, 0.1), (90.6, 0.2), (90.8, 0.1), (90.5, 0.2)),
    0.672: ((90.2, 0.1), (90.1, 0.2), (90.3, 0.2), (90.4, 0.2), (89.8, 0.2)),
    0.738: ((89.8, 0.2), (89.7, 0.3), (89.6, 0.1), (89.8, 0.1), (89.0, 0.4)),
    0.79: ((89.3, 0.2), (89.0, 0.2), (89.1, 0.2), (89.5, 0.3), (88.4, 0.2)),
    0.832: ((88.6, 0.2), (88.5, 0.3), (88.4, 0.2), (88.9, 0.4), (87.5, 0.3)),
    0.866: ((87.9, 0.3), (87.7, 0.2), (87.9, 0.1), (88.1, 0.1), (86.6, 0.2)),
    0.893: ((87.0, 0.3), (87.2, 0.4), (87.0, 0.2), (87.4, 0.5), (85.6, 0.3)),
    0.914: ((86.1, 0.2), (85.8, 0.1), (85.9, 0.1), (86.1, 0.2), (84.3, 0.4)),
    0.931: ((85.2, 0.4), (84.7, 0.5), (85.1, 0.4), (85.4, 0.2), (83.1, 0.4)),
    0.945: ((83.9, 0.2), (83.8, 0.3), (83.9, 0.4), (84.3, 0.2), (81.6, 0.3)),
    0.956: ((82.5, 0.4), (82.5, 0.4), (82.8, 0.2), (82.9, 0.2), (79.6, 0.4)),
    0.965: ((80.7, 0.5), (80.9, 0.2), (81.2, 0.2), (81.7, 0.2), (74.2, 6.4)),
    0.972: ((79.1, 0.4), (79.1, 0.2), (79.7, 0.3), (80.0, 0.3), (64.7, 9.7)),
    0.977: ((77.2, 0.4), (77.3, 0.2), (78.0, 0.3), (78.6, 0.4), (56.9, 8.5)),
    0.982: ((74.5, 0.7), (74.0, 0.5), (76.0, 0.5), (76.4, 0.4), (43.7, 12.5)),
}
_VGG16 = {  # Of magnitude and SNIP.
    0.2: ((93.6, 0.2), (93.6, 0.1)),
    0.36: ((93.4, 0.2), (93.4, 0.1)),
    0.488: ((93.3, 0.1), (93.3, 0.1)),
    0.59: ((93.2, 0.2), (93.4, 0.2)),
    0.672: ((93.3, 0.3), (93.3, 0.2)),
    0.738: ((93.0, 0.1), (93.4, 0.1)),
    0.79: ((93.1, 0.1), (93.1, 0.1)),
    0.832: ((92.9, 0.1), (93.1, 0.1)),
    0.866: ((92.9, 0.2), (93.2, 0.1)),
    0.893: ((92.7, 0.1), (93.1, 0.1)),
    0.914: ((92.5, 0.2), (92.9, 0.1)),
    0.931: ((92.3, 0.1), (92.8, 0.2)),
    0.945: ((92.2, 0.2), (92.8, 0.1)),
    0.956: ((92.0, 0.1), (92.3, 0.2)),
    0.965: ((91.8, 0.2), (92.2, 0.1)),
    0.972: ((91.5, 0.1), (92.1, 0.1)),
    0.977: ((91.3, 0.3), (91.7, 0.1)),
    0.982: ((90.9, 0.2), (91.5, 0.1)),
}
_OF_RESNET18 = ["magnitude", "snip", "synflow"]
_RESNET18 = {
    0.2: ((51.0, 0.3), (51.4, 0.2), (51.8, 0.3)),
    0.36: ((51.2, 0.3), (51.5, 0.3), (51.6, 0.3)),
    0.488: ((51.0, 0.2), (51.4, 0.3), (51.7, 0.7)),
    0.59: ((50.5, 0.5), (51.3, 0.5), (51.8, 0.2)),
    0.672: ((50.6, 0.3), (51.6, 0.4), (51.3, 0.4)),
    0.738: ((50.0, 0.3), (51.4, 0.5), (51.3, 0.4)),
    0.79: ((50.3, 0.2), (51.9, 0.6), (51.5, 0.2)),
    0.832: ((50.3, 0.3), (51.5, 0.3), (51.0, 0.4)),
    0.866: ((50.0, 0.1), (51.0, 0.2), (50.2, 0.4)),
    0.893: ((49.8, 0.5), (51.2, 0.7), (50.4, 0.3)),
    0.914: ((49.0, 0.1), (50.6, 0.3), (49.1, 0.0)),
    0.931: ((48.3, 0.3), (50.1, 0.3), (48.0, 0.5)),
    0.945: ((47.2, 0.2), (49.2, 0.3), (46.7, 0.7)),
    0.956: ((46.2, 0.2), (47.8, 0.2), (45.6, 0.0)),
    0.965: ((44.4, 0.5), (46.7, 0.1), (44.0, 0.2)),
    0.972: ((42.2, 0.1), (45.2, 0.4), (42.2, 0.3)),
    0.977: ((40.8, 0.4), (44.5, 0.3), (40.0, 0.1)),
    0.982: ((38.1, 0.6), (42.3, 0.3), (38.2, 0.5)),
}
# After training: of magnitude for the ResNets, of LTR for VGG-16.
_MAGNITUDE_RESNET20 = (
    (92.2, 0.3),
    (92.0, 0.2),
    (92.0, 0.2),
    (91.7, 0.1),
    (91.5, 0.2),
    (91.3, 0.2),
    (91.1, 0.2),
    (90.7, 0.2),
    (90.2, 0.2),
    (89.4, 0.2),
    (88.7, 0.2),
    (87.7, 0.2),
    (86.5, 0.2),
    (85.2, 0.2),
    (83.5, 0.3),
    (81.9, 0.3),
    (80.4, 0.2),
    (77.7, 0.4),
)
_LTR_VGG16 = (
    (93.5, 0.1),
    (93.6, 0.1),
    (93.6, 0.1),
    (93.6, 0.1),
    (93.8, 0.1),
    (93.6, 0.1),
    (93.6, 0.1),
    (93.8, 0.1),
    (93.8, 0.1),
    (93.7, 0.1),
    (93.7, 0.1),
    (93.8, 0.1),
    (93.5, 0.2),
    (93.4, 0.1),
    (93.2, 0.1),
    (93.0, 0.2),
    (92.7, 0.1),
    (92.1, 0.4),
)
_MAGNITUDE_RESNET18 = (
    (51.7, 0.3),
    (51.4, 0.1),
    (51.7, 0.2),
    (51.5, 0.3),
    (51.7, 0.4),
    (51.4, 0.5),
    (51.1, 0.3),
    (51.4, 0.4),
    (51.3, 0.4),
    (51.1, 0.6),
    (51.7, 0.3),
    (51.3, 0.3),
    (51.8, 0.4),
    (51.2, 0.3),
    (51.1, 0.2),
    (50.4, 0.2),
    (49.0, 0.2),
    (47.8, 0.5),
)
_PUBLISHED = {
    ("cifar10_resnet20", "magnitude_after"): _MAGNITUDE_RESNET20,
    ("cifar10_vgg16", "ltr"): _LTR_VGG16,
    ("tiny_imagenet_resnet18", "magnitude_after"): _MAGNITUDE_RESNET18,
}
_SEARCHES = {
    "ltr": {
        "survivors": "rewind",
        "learning_rate": "rewind",
        "fraction": 0.2,
        "levels": 18,
        "rewind_to": "1000it",
    },
    "magnitude_after": {
        "survivors": "trained",
        "learning_rate": "rewind",
        "sparsities": list(_RESNET20),
        "rewind_to": "0it",
    },
}
_SHORT_SEARCHES = {
    "ltr": {"levels": 2, "rewind_to": "1it"},
    "magnitude_after": {"sparsities": [0.59, 0.893]},
}
_SETTINGS = {
    "dataset": {"batch_size": 128},
    "pruner": {
        "method": "snip",
        "sparsity": 0.956,
        "batches": 1,
        "batch_size": 100,
    },
    "training": rows.torch_sgd(1e-4, rows.tenth_at("80ep", "120ep"), 160),
    "paper": {"metric": "test accuracy %"},
}


def _row(dataset, network, number, methods, accuracy):
    """Returns the row of a table of ProsPr, by its number."""
    return {
        "dataset.name": dataset,
        "model": {"name": network},
        "paper.source": f"https://arxiv.org/abs/2202.08132, table {number}",
        "paper.results": [
            {"method": method, "sparsity": sparsity, "mean": mean, "std": std}
            for sparsity, figures in accuracy.items()
            for method, (mean, std) in zip(methods, figures, strict=True)
        ],
        "paper.sweep": rows.sweep(_METHODS, accuracy),
    }


def _cifar10(*arguments):
    return {
        **_row("cifar10", *arguments),
        "dataset.normalization": "imagenet",
        "quick": {"dataset.normalization": "default"},
    }


def _after_training(name, search):
    """Returns the row of a network that is pruned after its training."""
    row = {k: v for k, v in _BEFORE[name].items() if "paper.sweep" not in k}
    del row["paper.results"]
    tickets = {
        "name": search,
        **_SEARCHES[search],
        "baselines_at": [],
        "seeds": [0, 1, 2],
    }
    short = {**tickets, **_SHORT_SEARCHES[search], "seeds": [0]}
    row["paper.tickets"] = tickets
    row["quick"] = {**row.get("quick", {}), "paper.tickets": short}
    figures = _PUBLISHED.get((name, search))
    if figures:
        row["paper.published"] = [
            {"sparsity": sparsity, "mean": mean, "std": std}
            for sparsity, (mean, std) in zip(_RESNET20, figures, strict=True)
        ]
    return row


_BEFORE = {
    "cifar10_resnet20": _cifar10("resnet20", 3, _METHODS, _RESNET20),
    "cifar10_vgg16": _cifar10("vgg16", 4, ["magnitude", "snip"], _VGG16),
    "tiny_imagenet_resnet18": {
        **_row("tiny_imagenet", "resnet18", 5, _OF_RESNET18, _RESNET18),
        "dataset.batch_size": 256,
        "pruner.batches": 10,
        "pruner.batch_size": 200,
        "training.learning_rate": 0.2,
        "training.schedule.at": ["100ep", "150ep"],
        "training.epochs": 200,
    },
}
ROWS = {
    **_BEFORE,
    **{
        f"{name}_{search}": _after_training(name, search)
        for name in _BEFORE
        for search in _SEARCHES
    },
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, rows.SMALL_BATCHES)
