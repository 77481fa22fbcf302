"""Weight clustering while a model trains, as TFMOT spells it."""

from kprune.learned.tfmot.clustering import keras

__all__ = ["keras"]
