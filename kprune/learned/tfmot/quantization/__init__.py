"""What TFMOT has for quantization-aware training, and Keras 3 has not."""

from kprune.learned.tfmot.quantization import keras

__all__ = ["keras"]
