"""Quantization-aware training, which Keras 3 does not have."""

from kprune.learned.tfmot.quantization import keras

__all__ = ["keras"]
