"""What tests of callbacks share: a short training, and what does something in
it.

A step of SGD is traced sooner than one of Adam, and 24 steps are sooner
traced than run eagerly.
"""

import keras
from networks import CE, batched, dense_net, examples

import kprune

STEPS = 6  # Of an epoch.
X, Y = examples(STEPS * 8, 8, classes=2)
GROWTH = {"sparsity": 0.7, "stabilize": 2, "ceiling": 0.8}
FAST = GROWTH | {"every": 1, "increment": 0.2}
# Options with which a method does something within three epochs.
OPTIONS = {
    "rigl": {"every": "2it", "end": "90%", "drop_fraction": 0.5},
    "set": {"every": "4it"},
    "snfs": {"every": "3it"},
    "dsr": {"every": "2it", "threshold": 0.05},
    "deepr": {"temperature": 1e-3},
    "soft_deepr": {"temperature": 1e-3, "l1": 1e-2},
    "dns": {"c": 0.5, "gamma": 0.1},
    "static": {},
    "granet": {"every": "2it", "sparsity": 0.8},
    "mest": {"every": "3it", "drop_fraction": 0.4},
    "srigl": {"every": "2it", "end": "90%", "drop_fraction": 0.5},
    "cht": {"every": "4it"},
    "acdc": {"every": "3it", "sparsity": 0.8},
    "dpf": {"every": "2it", "sparsity": 0.8},
    "top_kast": {"extra": 0.2, "penalty": 0.5},
    "gmp": {"sparsity": 0.9, "every": 3, "recover": True, "end": "90%"},
    "asni": {"gamma": 0.7},
    "greg1": FAST | {"end_ratio": 1.5},
    "greg2": FAST | {"pick_increment": 0.1, "pick_ceiling": 0.2},
    "dlth": GROWTH | {"every": 2, "increment": 0.3, "cycles": 2},
}


def net(optimizer="sgd", **compiled):
    """A wrapped net of 200 weights: 160 in `a`, 40 in `b`."""
    model = dense_net(units=20, classes=2, dropout=0.2, norm=False)
    model = kprune.wrap(model)
    model.compile(optimizer, CE, **compiled)
    return model


def data():
    return batched(X, Y, shuffle=3)


class Stop(keras.callbacks.Callback):
    """Ends a training after its first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True
