"""Methods that `kprune.prune` does not run, on MNIST: one row for each paper.

mnist_str         STR (Kusupati et al., 2020), https://arxiv.org/abs/2002.03231
mnist_l0          L0 (Louizos et al., 2018), https://arxiv.org/abs/1712.01312
mnist_greg        GReg-1 and GReg-2 (Wang et al., 2021),
                  https://arxiv.org/abs/2012.09243
mnist_dlth        dual lottery tickets (Bai et al., 2022),
                  https://arxiv.org/abs/2203.04248
mnist_prune_train PruneTrain (Lym et al., 2019),
                  https://arxiv.org/abs/1901.09290
mnist_growing_batches  the same, with batches that grow
mnist_greg_filters  GReg-1 on channels, with its early end
mnist_gem_miner   Gem-Miner (Sreenivasan et al., 2022),
                  https://arxiv.org/abs/2202.12002
mnist_early_bird  early-bird tickets (You et al., 2020),
                  https://arxiv.org/abs/1909.11957
mnist_prac        PrAC tickets (Zhang et al., 2021),
                  https://arxiv.org/abs/2106.03225
mnist_elastic     elastic tickets (Chen et al., 2021),
                  https://arxiv.org/abs/2103.16547
mnist_early_crop  EarlyCroP (Rachwan et al., 2022),
                  https://arxiv.org/abs/2206.10451
mnist_top_kast    Top-KAST (Jayakumar et al., 2020),
                  https://arxiv.org/abs/2106.03517
mnist_cram        CrAM and CrAM+ (Peste et al., 2023),
                  https://arxiv.org/abs/2207.14200

python tools/studies/run.py in_training --runs=runs/in_training \\
    --config=configs/in_training.py:mnist_str

The papers train larger networks on larger images, but for L0, whose drop rates,
batches, optimizer and rate are those of its code; it trains 200 epochs, tests
on an average of the weights, and its strength is chosen here. Of the others
these are the papers': that STR decays its thresholds as its weights; the rate
of 1e-3 while lambda grows, its end and GReg-2's pick; the ratio of PruneTrain;
the tolerance, window, slimming and half of the channels of early birds; a fifth
and rewinding to epoch 2 of PrAC; the length of CrAM's step. Networks, epochs,
rates, sparsities and what Top-KAST trains besides are chosen here, and lambda
grows in 1,000 steps of 1e-3, not in 10,000 of 1e-4. What was measured stands in
docs/reproductions/in_training.md. biprop, on MNIST too, is
`edge_popup.py:mnist_conv2`. The same network with masks at random:

python tools/train.py --config=configs/in_training.py:mnist_str \\
    --workdir=runs/one
"""

from kprune.experiment import rows

_SGD = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "schedule": {"name": "cosine"},
    "options": {"momentum": 0.9, "weight_decay": 1e-4},
    "batch_size": 128,
    "epochs": 10,
}
# What lambda grows in: 5 x 1,000 steps and 1,000 more, 13 epochs of 469 steps.
_GROWTH = {
    **_SGD,
    "learning_rate": 1e-3,
    "schedule": {"name": "constant"},
    "epochs": 13,
}
_GROWING = {
    "sparsity": 0.95,
    "every": 5,
    "increment": 1e-3,
    "ceiling": 1.0,
    "stabilize": "1000it",
}
_QUICK_GROWING = {"every": 1, "increment": 1.0, "stabilize": 0}
_FILTERS = {**_GROWING, "sparsity": 0.5, "granularity": "channel"}
_SHRINKING = {"every": 2, "threshold": 1e-4, "ratio": 0.2}
_CRAM = {"sparsity": 0.95, "sparsities": [0.95], "rho": 0.05}
_LENET = {"name": "lenet_300_100"}
_RESNET = {"name": "resnet_cifar", "depth": 8}


def _row(
    name, paper, method, options, phases, variants=None, short=None, **more
):
    """Returns the row of a paper; of the quick form are the options
    `short` and the network `small`."""
    model = more.pop("model", _LENET)
    small = more.pop("small", model)
    experiment = {
        "name": f"mnist_{name}",
        "kind": "in_training",
        "method": method,
        "options": options,
        "phases": phases,
        "seeds": [0, 1, 2],
        "variants": variants or {"all": {}},
        **more,
    }
    brief = {
        name: {**phase, "epochs": min(2, phase["epochs"]), "steps_per_epoch": 2}
        for name, phase in phases.items()
    }
    short = short or {}
    quick = {
        **experiment,
        "name": f"quick_{name}",
        "options": {**options, **short},
        "phases": brief,
        "seeds": [0],
        "variants": {
            label: {k: _shorter(v, short) for k, v in variant.items()}
            for label, variant in experiment["variants"].items()
        },
    }
    return {
        "model": model,
        "paper.source": paper,
        "paper.experiment": experiment,
        "quick": {"model": small, "paper.experiment": quick},
    }


def _shorter(options, short):
    # Before it picks, GReg-2 lets lambda grow.
    pick = {"pick_increment": 1e-2} if options.get("method") == "greg2" else {}
    return {**options, **short, **pick}


def _greg(method, **options):
    return {"options": {**_GROWING, "method": method, **options}}


ROWS = {
    "mnist_str": _row(
        "str",
        "https://arxiv.org/abs/2002.03231",
        "soft_threshold",
        {"initial": -5.0},
        {
            "train": {
                **_SGD,
                "options": {**_SGD["options"], "weight_decay": 5e-4},
            }
        },
        {
            f"initial_{-initial:g}": {"options": {"initial": initial}}
            for initial in (-8.0, -5.0, -4.0)
        },
    ),
    "mnist_l0": _row(
        "l0",
        "https://arxiv.org/abs/1712.01312",
        "hard_concrete",
        {"strength": 0.1, "drop_rate": {"fc1": 0.2, "fc2": 0.5, "fc3": 0.5}},
        {
            "train": {
                "optimizer": "adam",
                "learning_rate": 1e-3,
                "batch_size": 100,
                "epochs": 20,
            }
        },
    ),
    "mnist_greg": _row(
        "greg",
        "https://arxiv.org/abs/2012.09243",
        "growing",
        {**_GROWING, "method": "greg1"},
        {
            "pretrain": _SGD,
            # GReg-2 takes 1,000 growths of 5 steps before it picks.
            "grow": {**_GROWTH, "epochs": 24},
            "train": {**_SGD, "learning_rate": 0.01},
        },
        {"greg1": _greg("greg1"), "greg2": _greg("greg2")},
        _QUICK_GROWING,
    ),
    "mnist_dlth": _row(
        "dlth",
        "https://arxiv.org/abs/2203.04248",
        "growing",
        {**_GROWING, "method": "dlth"},
        {"grow": _GROWTH, "train": _SGD},
        short=_QUICK_GROWING,
    ),
    "mnist_prune_train": _row(
        "prune_train",
        "https://arxiv.org/abs/1901.09290",
        "prune_train",
        _SHRINKING,
        {"train": {**_SGD, "epochs": 20}},
        model={"name": "lenet5"},
        small={"name": "conv2"},  # The digits are too small for LeNet-5.
    ),
    "mnist_growing_batches": _row(
        "growing_batches",
        "https://arxiv.org/abs/1901.09290",
        "prune_train",
        _SHRINKING,
        {"train": {**_SGD, "schedule": {"name": "constant"}, "epochs": 20}},
        {
            "fixed": {},
            "growing": {"options": {**_SHRINKING, "batch_multiple": 32}},
        },
        model={"name": "lenet5"},
        small={"name": "conv2"},
    ),
    "mnist_greg_filters": _row(
        "greg_filters",
        "https://arxiv.org/abs/2012.09243",
        "growing",
        _FILTERS,
        {
            "pretrain": _SGD,
            "grow": _GROWTH,
            "train": {**_SGD, "learning_rate": 0.01},
        },
        {
            "to_the_end": {},
            "early": {"options": {**_FILTERS, "end_ratio": 1000}},
        },
        _QUICK_GROWING,
        model={"name": "lenet5"},
        small={"name": "conv2"},
    ),
    "mnist_gem_miner": _row(
        "gem_miner",
        "https://arxiv.org/abs/2202.12002",
        "gem_miner",
        {"sparsity": 0.95, "every": 1, "strength": 1e-4},
        {"search": _SGD, "train": _SGD},
    ),
    "mnist_early_bird": _row(
        "early_bird",
        "https://arxiv.org/abs/1909.11957",
        "early_bird",
        {
            "slimming": 1e-4,
            "method": "bn_gamma",
            "sparsity": 0.5,
            "granularity": "channel",
            "tolerance": 0.1,
            "window": 5,
        },
        {"search": {**_SGD, "schedule": {"name": "constant"}}, "train": _SGD},
        model=_RESNET,
    ),
    "mnist_early_crop": _row(
        "early_crop",
        "https://arxiv.org/abs/2206.10451",
        "early_crop",
        {"method": "crop", "sparsity": 0.95, "scoring": {"batches": 10}},
        {"train": {**_SGD, "epochs": 20}},
        short={"scoring": {"batches": 1}, "latest": 1},
    ),
    "mnist_top_kast": _row(
        "top_kast",
        "https://arxiv.org/abs/2106.03517",
        "dynamic",
        {"method": "top_kast", "sparsity": 0.95, "extra": 0.1},
        {"train": _SGD},
    ),
    "mnist_cram": _row(
        "cram",
        "https://arxiv.org/abs/2207.14200",
        "compression_aware",
        _CRAM,
        {"train": _SGD},
        {
            name: {"options": {**_CRAM, "plus": plus}}
            for name, plus in {"cram": False, "cram_plus": True}.items()
        },
    ),
    "mnist_prac": _row(
        "prac",
        "https://arxiv.org/abs/2106.03225",
        "prac",
        {"levels": 8, "fraction": 0.2, "rewind_to": "2ep"},
        {"search": _SGD, "train": _SGD},
        short={"levels": 1, "rewind_to": "1it"},
    ),
    "mnist_elastic": _row(
        "elastic",
        "https://arxiv.org/abs/2103.16547",
        "elastic",
        {"levels": 4, "fraction": 0.2, "rewind_to": "1ep"},
        {"search": {**_SGD, "epochs": 4}, "train": {**_SGD, "epochs": 4}},
        short={"levels": 1, "rewind_to": "1it"},
        model={"name": "resnet_cifar", "depth": 14},
        deeper=20,
    ),
}
_SETTINGS = {
    "dataset": {"name": "mnist"},
    "pruner": {"method": "random", "sparsity": 0.9},
    "training": rows.torch_sgd(1e-4, {"name": "cosine"}, epochs=10),
    "paper": {"metric": "test accuracy %"},
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS)
