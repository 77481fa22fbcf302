"""The TensorFlow Model Optimization toolkit's calls, on Keras 3.

`kprune.tfmot` is this package: `tfmot.sparsity.keras`, `tfmot.clustering.keras`
and `tfmot.quantization.keras` have the toolkit's names, signatures, defaults
and arithmetic. `docs/migrating_from_tfmot.md` says what is different.
"""

from kprune.learned.tfmot import clustering, quantization, sparsity

__all__ = ["clustering", "quantization", "sparsity"]
