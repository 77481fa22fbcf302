"""ProsPr (Alizadeh et al., 2022): weights on three data sets, and channels.

https://arxiv.org/abs/2202.08132, sections 4.1 (cifar10_resnet20, cifar10_vgg16
and tiny_imagenet_resnet18; tables 3, 4, 5), 4.2 (imagenet_*; table 1) and 4.3
(*_channels; table 2), and appendix A.

The paper gives neither the rate and momentum of the inner steps (0.1 and none
here, the defaults of its code) nor the number of runs. Shortcuts of ResNet-20
are 1x1 convolutions, as the paper says; its code pads instead
(--config.model.shortcut=pad). The other methods of tables 3, 4 and 5 are
trained another way: see configs/missing_the_mark.py. Those of table 1 are of
the FORCE paper: see configs/force.py. For VGG-19 on ImageNet, which has batch
norm, the steps are those of section 4.2; the appendix says 2048.

`SNIP-MB-train` of table 1 is never defined. It is taken here for SNIP on as
many batches as ProsPr sees, trained as ProsPr is, for SNIP-MB has other figures
that are those of the FORCE paper's training; of VGG-19 the table prints 0.00.

For channels, the paper does not say what its sparsities count: here, channels;
the report of a run has both. Nor does it say how channels are chosen at random:
here, as many of each layer. 3SP is what it cites as van Amersfoort et al.,
2020, on one batch, whose size is not given.

python tools/train.py --config=configs/prospr.py:cifar10_resnet20 \\
    --sparsity=0.956 --workdir=runs/one

All methods and sparsities, here on several GPUs:

python tools/sweep.py --config=configs/prospr.py:imagenet_resnet50 \\
    --runs=runs/prospr_imagenet_resnet50 --config.distribute=mirrored
"""

from kprune.experiment import rows

_PAPER = "https://arxiv.org/abs/2202.08132"
_ACCURACY = {  # By sparsity: mean and standard deviation of tables 3, 4, 5.
    0.2: ((92.3, 0.1), (93.7, 0.2), (51.8, 0.4)),
    0.36: ((92.1, 0.0), (93.7, 0.1), (51.4, 0.7)),
    0.488: ((91.7, 0.2), (93.9, 0.1), (51.2, 0.9)),
    0.59: ((91.5, 0.1), (93.8, 0.1), (52.0, 0.2)),
    0.672: ((91.0, 0.2), (93.8, 0.1), (51.8, 0.1)),
    0.738: ((90.5, 0.0), (93.5, 0.2), (51.2, 0.4)),
    0.79: ((90.1, 0.1), (93.6, 0.1), (52.0, 0.3)),
    0.832: ((89.6, 0.2), (93.4, 0.3), (51.6, 0.7)),
    0.866: ((88.5, 0.5), (93.5, 0.2), (51.1, 0.4)),
    0.893: ((87.8, 0.1), (93.3, 0.1), (50.7, 0.6)),
    0.914: ((86.9, 0.3), (93.0, 0.1), (50.9, 0.3)),
    0.931: ((85.5, 0.6), (93.0, 0.1), (50.8, 1.2)),
    0.945: ((84.3, 0.2), (92.8, 0.3), (51.1, 0.7)),
    0.956: ((83.0, 0.9), (92.7, 0.1), (50.8, 0.5)),
    0.965: ((80.8, 0.5), (92.6, 0.1), (50.8, 0.3)),
    0.972: ((79.6, 0.7), (92.2, 0.1), (49.6, 0.6)),
    0.977: ((77.0, 0.8), (92.1, 0.2), (49.2, 0.2)),
    0.982: ((74.2, 0.3), (91.6, 0.4), (46.9, 0.7)),
}
_SETTINGS = {
    "dataset": {"batch_size": 256},
    "pruner": {
        "method": "prospr",
        "sparsity": 0.956,
        "options": {"inner_steps": 3},
        "batches": 4,  # One for each inner step, one for the loss after them.
        "batch_size": 512,
    },
    "training": rows.torch_sgd(5e-4, rows.tenth_at("100ep", "150ep"), 200),
    "paper": {"metric": "test accuracy %"},
}


def _3sp(label, **options):
    """Returns a variant of 3SP, which scores on one batch."""
    options = {"pruner.options": options, "pruner.batches": 1}
    return {"method": "3sp", "label": label, "options": options}


_OF_CHANNELS = {  # Methods by what else than their name is theirs.
    "prospr": {},
    "3SP": _3sp("3SP"),
    "3SP + reinit": _3sp("3SP + reinit", reinit=True),
    "3SP + rescale": _3sp("3SP + rescale", rescale=True),
    "random": {
        "options": {
            "pruner.options": {},
            "pruner.granularity": "channel",
            "pruner.allocation": "uniform",
        }
    },
}


def _weights(dataset, network, table):
    """Returns the row of table 3, 4 or 5."""
    figures = {s: of_all[table - 3] for s, of_all in _ACCURACY.items()}
    return {
        "dataset.name": dataset,
        "model": {"name": network},
        "paper.source": f"{_PAPER}, table {table}",
        "paper.results": [
            {"method": "prospr", "sparsity": sparsity, "mean": mean, "std": std}
            for sparsity, (mean, std) in figures.items()
        ],
        "paper.sweep": rows.sweep(["prospr"], figures),
    }


def _channels(dataset, dense, accuracy):
    """Returns the row of a data set in table 2, from the accuracy of the dense
    network, and mean and deviation for each of `_OF_CHANNELS` and sparsity."""
    sparsities = [0.8, 0.9, 0.95]
    results = [
        {"method": method, **variant, "sparsity": s, "mean": mean, "std": std}
        for (method, variant), figures in zip(
            _OF_CHANNELS.items(), accuracy, strict=True
        )
        for s, (mean, std) in zip(sparsities, figures, strict=True)
    ]
    return {
        "dataset.name": dataset,
        "model": {"name": "vgg19"},
        "pruner.sparsity": 0.9,
        "pruner.options.structured": True,
        "paper.source": f"{_PAPER}, table 2",
        "paper.results": [
            *results,
            {"method": "dense", "sparsity": 0.0, "mean": dense},
        ],
        "paper.sweep": rows.sweep(_OF_CHANNELS, sparsities),
    }


def _imagenet(model, inner_steps, batch_size, accuracy, snip=()):
    """Returns the row of a model in table 1."""
    many = {
        "method": "snip",
        "label": "SNIP-MB-train",
        "options": {"pruner.options": {}},
    }
    return {
        "dataset.name": "imagenet2012",
        "model": model,
        "pruner.sparsity": 0.95,
        "pruner.options": {"inner_steps": inner_steps, "first_order": True},
        "pruner.batches": inner_steps + 1,
        "pruner.batch_size": batch_size,
        "training.optimizer_options.weight_decay": 1e-4,
        "training.schedule.at": ["30ep", "60ep", "90ep"],
        "training.epochs": 100,
        "paper.source": f"{_PAPER}, table 1",
        "paper.results": [
            {"method": "prospr", "sparsity": sparsity, "mean": mean}
            for sparsity, mean in accuracy.items()
        ]
        + [
            {**many, "sparsity": sparsity, "mean": mean}
            for sparsity, mean in zip(accuracy, snip, strict=False)
        ]
        + [many] * (not snip),
        "paper.sweep": rows.sweep(["prospr", "SNIP-MB-train"], accuracy),
        "quick": {"pruner.options.inner_steps": 2, "pruner.batches": 3},
    }


ROWS = {
    "cifar10_resnet20": _weights("cifar10", "resnet20", table=3),
    "cifar10_vgg16": _weights("cifar10", "vgg16", table=4),
    "tiny_imagenet_resnet18": _weights("tiny_imagenet", "resnet18", table=5),
    "cifar10_vgg19_channels": _channels(
        "cifar10",
        93.6,
        (
            ((93.61, 0.01), (93.64, 0.24), (93.32, 0.15)),
            ((93.4, 0.03), (93.1, 0.04), (92.5, 0.12)),
            ((93.4, 0.04), (93.0, 0.02), (92.6, 0.09)),
            ((93.3, 0.03), (93.0, 0.06), (92.5, 0.06)),
            ((92.0, 0.08), (90.4, 0.12), (89.0, 0.15)),
        ),
    ),
    "cifar100_vgg19_channels": _channels(
        "cifar100",
        72.5,
        (
            ((72.29, 0.11), (71.12, 0.26), (68.03, 0.38)),
            ((69.9, 0.14), (68.3, 0.12), (63.2, 0.52)),
            ((70.3, 0.16), (69.0, 0.08), (64.2, 0.35)),
            ((70.5, 0.13), (69.2, 0.11), (63.5, 0.63)),
            ((67.5, 0.16), (63.8, 0.13), (60.1, 0.29)),
        ),
    ),
    "imagenet_resnet50": _imagenet(
        {"name": "resnet50", "stem": "imagenet"},
        inner_steps=1024,
        batch_size=256,
        accuracy={0.9: 66.86, 0.95: 59.62},
        snip=(66.5, 59.4),
    ),
    "imagenet_vgg19": _imagenet(
        {"name": "vgg19_bn"},
        inner_steps=256,
        batch_size=128,
        accuracy={0.9: 70.75, 0.95: 66.1},
    ),
}
_QUICK = {"dataset.batch_size": 16, "pruner.batch_size": 16}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
