"""Lottery tickets of LeNet-300-100 on MNIST, as in Frankle & Carbin (2019).

https://arxiv.org/abs/1803.03635, section 2: Adam at 1.2e-3, batches
of 60, 50 epochs, Glorot's normal law. Each level removes a fifth of what is
left of a hidden layer and a tenth of the output layer, and rewinds to the
beginning.

python tools/find_ticket.py --config=configs/tickets/mnist_lenet.py \\
    --runs=runs/tickets

The other searches, each by a name after a colon:

global  a fifth of all weights together, whichever layer they are of
ltr     the same, rewound to step 500 (lottery ticket rewinding, Frankle et al.,
        2020), down to 0.5 % of the weights
magnitude_after_training
        pruned once, at the end of the training, and trained on at its last
        rate for as long again; each sparsity is a search of its own

With the last two, methods that prune before training can be compared on one
axis: `tools/report.py --runs=` takes the directories of all.
"""

import ml_collections

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
        "rewind_weights": "trained",
        "learning_rate": "last",
        "rewind_to": "0it",
        "baselines_at": (),
    },
}


def get_config(arg=""):
    name = {"": "imp", "quick": "imp"}.get(arg, arg)
    if name not in _SEARCHES:
        raise ValueError(
            f"Expected :quick, nothing, or one of {', '.join(_SEARCHES)}. "
            f"Received: {arg!r}"
        )
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.dataset = {"name": "mnist", "batch_size": 60}
    config.model = {"name": "lenet_300_100", "initializer": "xavier_normal"}
    # For tools/train.py. The search has a dense network to start from.
    config.pruner = {"method": "magnitude", "sparsity": 0.9}
    config.training = {
        "optimizer": "adam",
        "learning_rate": 1.2e-3,
        "epochs": 50,
        "steps_per_execution": 50,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/1803.03635",
        "tickets": {
            "name": name,
            "rewind_weights": "rewind",
            "learning_rate": "rewind",
            **_SEARCHES[name],
            "seeds": (0, 1, 2),
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.name = "digits"
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.tickets.update(levels=2, baselines_at=(2,), seeds=(0,))
    return config
