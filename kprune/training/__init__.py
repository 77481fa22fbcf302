"""Trains pruned models: devices, learning rates, runs that resume.

    strategy(name)    the devices that train together
    fit(model, ...)   `model.fit`, resumed exactly from checkpoints
    Distiller         a model that also learns from a teacher
    compression_aware a context of steps towards weights that can be pruned

`learning_rates`, `TorchSGD` and `SmoothedCrossentropy` provide what the papers
train with and Keras lacks; `durations` parses "8ep" and "500it".
"""

from kprune.training import durations, learning_rates
from kprune.training.checkpoint import Checkpoint
from kprune.training.compression_aware import compression_aware
from kprune.training.distiller import Distiller
from kprune.training.files import CheckpointFiles
from kprune.training.fitting import divisor, fit
from kprune.training.losses import SmoothedCrossentropy
from kprune.training.optimizers import TorchSGD
from kprune.training.strategies import WORKER_TIMEOUT, is_chief, strategy
from kprune.training.termination import EXIT_CODE, Terminated

__all__ = [
    "EXIT_CODE",
    "WORKER_TIMEOUT",
    "Checkpoint",
    "CheckpointFiles",
    "Distiller",
    "SmoothedCrossentropy",
    "Terminated",
    "TorchSGD",
    "compression_aware",
    "divisor",
    "durations",
    "fit",
    "is_chief",
    "learning_rates",
    "strategy",
]
