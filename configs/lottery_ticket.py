"""The lottery ticket hypothesis (Frankle & Carbin, 2019).

https://arxiv.org/abs/1803.03635

Tickets of LeNet-300-100 on MNIST, section 2: Adam at 1.2e-3, batches of 60, 50
epochs, Glorot's normal law.

imp     each level removes a fifth of what is left of a hidden layer and a tenth
        of the output layer, and rewinds to the beginning
global  a fifth of all weights together, whichever layer they are of
ltr     the same, rewound to step 500 (lottery ticket rewinding, Frankle et al.,
        2020), down to 0.5 % of the weights
magnitude_after_training
        pruned once, at the end of the training, and trained on at its last
        rate for as long again; each sparsity is a search of its own

python tools/find_ticket.py --config=configs/lottery_ticket.py:imp \\
    --runs=runs/tickets

With the last two, methods that prune before training can be compared on one
axis: `tools/report.py --runs=` takes the directories of all. The dense network
of the searches, pruned before its training instead:

python tools/train.py --config=configs/lottery_ticket.py --workdir=runs/one

Conv-2, 4 and 6 on CIFAR-10, pruned before training; the paper prunes after it.
Not verified: that they train for 20,000, 25,000 and 30,000 steps (24, 30 and 36
epochs of 834) and without augmentation. The sparsities of the sweep are chosen
here.

python tools/sweep.py --config=configs/lottery_ticket.py:cifar10_conv2 \\
    --runs=runs/lottery_ticket_cifar10_conv2
"""

from kprune.experiment import rows

_SETTINGS = {
    "dataset": {"batch_size": 60},
    "model": {"initializer": "xavier_normal"},
    "pruner": {"method": "magnitude", "sparsity": 0.9},
    "training": {"optimizer": "adam"},
    "paper": {"source": "https://arxiv.org/abs/1803.03635"},
}
_FIFTH = {
    "fraction": 0.2,
    "levels": 12,
    "rewind_to": "0it",
    # The levels whose tickets are also shuffled and reinitialized.
    "baselines_at": (2, 4, 6, 8, 10, 11, 12),
}
_SEARCHES = {
    "imp": {**_FIFTH, "fraction": "by layer"},
    "global": _FIFTH,
    # Near a fifth, and such that the levels that are reported leave 5, 2, 1
    # and 0.5 %.
    "ltr": {
        "fraction": 0.2058,
        "levels": 23,
        "rewind_to": "500it",
        "baselines_at": (),
        "report_at": (13, 17, 20, 23),
    },
    "magnitude_after_training": {
        "sparsities": (0.95, 0.98, 0.99, 0.995),
        "survivors": "trained",
        "learning_rate": "last",
        "rewind_to": "0it",
        "baselines_at": (),
    },
}
_SHORTER = {"levels": 2, "baselines_at": (2,)}
_SHORT_SEARCHES = {
    "imp": _SHORTER,
    "global": _SHORTER,
    "ltr": {"levels": 2, "rewind_to": "1it", "report_at": (1, 2)},
    "magnitude_after_training": {"sparsities": (0.95, 0.98)},
}


def _search(name):
    """Returns the row of a search, whose dense network is LeNet-300-100."""
    tickets = {
        "name": name,
        "survivors": "rewind",
        "learning_rate": "rewind",
        **_SEARCHES[name],
        "seeds": (0, 1, 2),
    }
    short = {**tickets, **_SHORT_SEARCHES[name], "seeds": (0,)}
    return {
        "dataset.name": "mnist",
        "model.name": "lenet_300_100",
        "training.learning_rate": 1.2e-3,
        "training.epochs": 50,
        "training.steps_per_execution": 50,
        "paper.tickets": tickets,
        "quick": {"paper.tickets": short},
    }


def _cifar10(network, learning_rate, epochs):
    return {
        "dataset.name": "cifar10",
        "dataset.augment": False,
        "model.name": network,
        "training.learning_rate": learning_rate,
        "training.epochs": epochs,
        "paper.metric": "test accuracy %",
        "paper.sweep": rows.sweep(
            ["magnitude", "snip", "random"], [0.8, 0.9, 0.95]
        ),
        "quick": {"dataset.batch_size": 16},
    }


ROWS = {
    **{name: _search(name) for name in _SEARCHES},
    "cifar10_conv2": _cifar10("conv2", 2e-4, 24),
    "cifar10_conv4": _cifar10("conv4", 3e-4, 30),
    "cifar10_conv6": _cifar10("conv6", 3e-4, 36),
}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS)
