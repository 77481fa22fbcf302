"""Clusters weights during training, with TFMOT's names."""

from kprune.learned.tfmot.clustering import keras

__all__ = ["keras"]
