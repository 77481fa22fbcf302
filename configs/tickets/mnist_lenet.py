"""Lottery tickets of LeNet-300-100 on MNIST, as in Frankle & Carbin (2019).

https://arxiv.org/abs/1803.03635, section 2: Adam at 1.2e-3, batches
of 60, 50,000 steps, Glorot's normal law. Each level removes a fifth of what is
left of a hidden layer and a tenth of the output layer, and rewinds to the
beginning.

python tools/find_ticket.py --config=configs/tickets/mnist_lenet.py \\
    --runs=runs/tickets

With a fifth of all weights together, whichever layer they are of:

python tools/find_ticket.py --config=configs/tickets/mnist_lenet.py:global \\
    --runs=runs/tickets_global

Twelve levels leave 7 % of the weights.
"""

import ml_collections


def get_config(arg=""):
    if arg not in ("", "global", "quick"):
        raise ValueError(
            f"Expected :quick, :global or nothing. Received: {arg!r}"
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
        "steps_per_epoch": 1000,
        "steps_per_execution": 50,
    }
    config.paper = {
        "source": "https://arxiv.org/abs/1803.03635",
        "tickets": {
            "levels": 12,
            "fraction": 0.2 if arg == "global" else "by layer",
            "rewind_to": "0it",
            "survivors": "rewind",
            "learning_rate": "rewind",
            # The levels whose tickets are also shuffled and reinitialized.
            "baselines_at": (2, 4, 6, 8, 10, 11, 12),
            "seeds": (0, 1, 2),
        },
    }
    if arg == "quick":  # Two steps of everything, on data that is there.
        config.dataset.name = "digits"
        config.training.update(epochs=1, steps_per_epoch=2)
        config.paper.tickets.update(levels=2, baselines_at=(2,), seeds=(0,))
    return config
