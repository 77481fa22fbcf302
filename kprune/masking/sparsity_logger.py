"""How sparse a model is, in the logs of `fit`."""

from typing import Any

import keras
import numpy as np

from kprune.masking import weight_wrapper, weights
from kprune.runtime import checks
from kprune.runtime.doors import checked


class SparsityLogger(keras.callbacks.Callback):
    """Adds the model's sparsity to Keras' `logs` after each epoch.

    Place it before callbacks that read the logs, such as
    `keras.callbacks.CSVLogger` or `keras.callbacks.TensorBoard`. It adds

    - `sparsity`: share of the entries removed, in [0, 1];
    - `kept`: number of entries kept;
    - `mask_churn`: share of the entries whose mask differs from that at the
      end of the epoch before, unless an earlier callback has logged its own;
    - `sparsity/NAME` and `kept/NAME` of each weight, such as
      `sparsity/conv1/kernel`.

    The values describe the masks, or, for a model of `kprune.learned`, the
    weights that it computes with at test time; for a stochastic supermask,
    the expected share. Training resumes exactly (`kprune.training.fit`).

    Args:
        per_weight: Boolean, whether to add the values of each weight. Defaults
            to `True`.

    Raises:
        ValueError: When `fit` begins, if the model has neither masks nor
            learned sparsity.

    Example:

    >>> model = kprune.prune(model, sparsity=0.9, verbose=0)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> logger = kprune.callbacks.SparsityLogger(per_weight=False)
    >>> history = model.fit(train, verbose=0, callbacks=[logger])
    >>> list(history.history)
    ['loss', 'sparsity', 'kept', 'mask_churn']
    """

    # Checkpoints of kprune 0.1 hold none. `on_train_begin` has a substitute.
    state_is_optional = True

    @checked(per_weight=checks.boolean)
    def __init__(self, per_weight: bool = True) -> None:
        super().__init__()
        self._per_weight = per_weight
        self._before: dict[str, np.ndarray] = {}

    def get_state(self) -> dict[str, Any]:
        """Returns the state for resuming: the masks of the last epoch."""
        before = self._before.items()
        return {
            "before": {k: [np.packbits(v), list(v.shape)] for k, v in before}
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores a state that `get_state` returned."""
        self._before = {
            name: np.unpackbits(
                np.asarray(bits, np.uint8), count=int(np.prod(shape))
            )
            .reshape(shape)
            .astype(bool)
            for name, (bits, shape) in state["before"].items()
        }

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._before = {n: mask for n, (mask, _) in _kept(self.model).items()}

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        found = _kept(self.model)
        masks = {name: mask for name, (mask, _) in found.items()}
        changed = sum(
            int(np.count_nonzero(mask != self._before[name]))
            for name, mask in masks.items()
            if name in self._before
        )
        self._before = masks
        if logs is None:
            return
        total = sum(mask.size for mask in masks.values())
        kept = sum(kept for _, kept in found.values())
        logs.update(sparsity=1 - kept / total, kept=kept)
        logs.setdefault("mask_churn", changed / total)
        if self._per_weight:
            for name, (mask, kept) in found.items():
                logs[f"sparsity/{name}"] = 1 - kept / mask.size
                logs[f"kept/{name}"] = kept


def _kept(model):
    """Returns (mask, number of entries kept) of each weight, by name."""
    found = {}
    for weight in weights.find(model):
        if weight.mask is not None:
            mask = keras.ops.convert_to_numpy(weight.mask).astype(bool)
            found[weight.name] = mask, int(np.count_nonzero(mask))
    for wrapper in weight_wrapper.wrappers(model, weight_wrapper.WeightWrapper):
        if hasattr(wrapper, "removed"):  # Its sparsity is learned.
            pairs = zip(
                wrapper.results().items(), wrapper.removed(), strict=True
            )
            for (name, (_, mask)), (removed, size) in pairs:
                found[name] = np.asarray(mask, bool), size - removed
    if not found:
        raise ValueError(
            f"Model {model.name!r} has no masks and no sparsity that is "
            "learned. Expected one that `kprune.prune`, `kprune.wrap`, "
            "`kprune.select` or a function of `kprune.learned` returned."
        )
    return found
