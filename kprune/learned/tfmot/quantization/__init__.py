"""Placeholders for quantization-aware training, which Keras 3 lacks."""

from kprune.learned.tfmot.quantization import keras

__all__ = ["keras"]
