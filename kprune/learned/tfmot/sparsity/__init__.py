"""Magnitude pruning during training, with TFMOT's names."""

from kprune.learned.tfmot.sparsity import keras

__all__ = ["keras"]
