"""The API of TensorFlow Model Optimization, on Keras 3.

`kprune.tfmot` is this package: `tfmot.sparsity.keras`, `tfmot.clustering.keras`
and `tfmot.quantization.keras` have the toolkit's names, signatures, defaults
and arithmetic. `docs/how-to/migrating_from_tfmot.md` lists the differences.
"""

from kprune.learned.tfmot import clustering, quantization, sparsity
from kprune.runtime.aliases import alias

__all__ = ["clustering", "quantization", "sparsity"]

# `import kprune.tfmot.sparsity.keras` works as it does with TFMOT.
alias(__name__, "kprune.tfmot")
