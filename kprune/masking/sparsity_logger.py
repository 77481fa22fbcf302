"""How sparse a model is, in the logs of `fit`."""

import keras
import numpy as np

from kprune.masking import weight_wrapper, weights
from kprune.runtime import checks
from kprune.runtime.doors import checked


class SparsityLogger(keras.callbacks.Callback):
    """Adds how sparse a model is to Keras' `logs` after each epoch.

    Callbacks that should see it, such as `keras.callbacks.CSVLogger` or
    `keras.callbacks.TensorBoard`, stand after it. Added are

    - `sparsity`: share of the entries removed, in [0, 1];
    - `kept`: number of entries kept;
    - `mask_churn`: share of the entries that are masked otherwise than at the
      end of the epoch before, unless a callback before it has told its own;
    - `sparsity/NAME` and `kept/NAME` of each weight, such as
      `sparsity/conv1/kernel`.

    They are those of masks, or of what a model of `kprune.learned` computes
    with at test time; of a supermask that is drawn, the expected share. It
    can be resumed (`kprune.training.fit`), to the bit.

    Args:
        per_weight: Boolean, whether to add what is said of each weight.

    Raises:
        ValueError: As `fit` begins, if the model has neither masks nor
            sparsity that is learned.

    Example:

    >>> logger = kprune.callbacks.SparsityLogger(per_weight=False)
    >>> history = model.fit(train, verbose=0, callbacks=[logger])
    >>> list(history.history)
    ['loss', 'sparsity', 'kept', 'mask_churn']
    """

    @checked(per_weight=checks.boolean)
    def __init__(self, per_weight=True):
        super().__init__()
        self._per_weight = per_weight
        self._before = {}

    def get_state(self):
        """Returns what a resumed run needs: the masks of the last epoch."""
        before = self._before.items()
        return {
            "before": {k: [np.packbits(v), list(v.shape)] for k, v in before}
        }

    def set_state(self, state):
        """Goes on from what `get_state` returned."""
        self._before = {
            name: np.unpackbits(
                np.asarray(bits, np.uint8), count=int(np.prod(shape))
            )
            .reshape(shape)
            .astype(bool)
            for name, (bits, shape) in state["before"].items()
        }

    def on_train_begin(self, logs=None):
        self._before = {n: mask for n, (mask, _) in _kept(self.model).items()}

    def on_epoch_end(self, epoch, logs=None):
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
    """Returns a mask and how many entries are kept, of each weight by name."""
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
