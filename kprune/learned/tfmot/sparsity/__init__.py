"""Pruning by magnitude while a model trains, as TFMOT spells it."""

from kprune.learned.tfmot.sparsity import keras

__all__ = ["keras"]
