"""Sets how pruned entries behave while a callback prunes."""

from kprune.masking import wrapping


class PrunedBehavior:
    """Temporarily changes how a model treats its pruned entries."""

    def __init__(self):
        self._before = []

    def change(self, model, keep_pruned_values, dense_gradients=None):
        """Sets the behavior of all wrappers when training begins.

        `dense_gradients=None` leaves the gradients unchanged.
        """
        wrappers, before = wrapping.wrappers(model), self._before
        # After an interrupted training the wrappers hold what it set; the
        # recorded values are still the user's.
        if [wrapper for wrapper, *_ in before] != wrappers:
            before = [
                (w, w.keep_pruned_values, w.dense_gradients) for w in wrappers
            ]
        if dense_gradients is None:
            dense_gradients = any(dense for *_, dense in before)
        self._before = []
        wanted = (keep_pruned_values, dense_gradients)
        if any((keep, dense) != wanted for _, keep, dense in before):
            self._before = before
            wrapping.set_pruned_behavior(model, *wanted)

    def restore(self, model):
        """Restores the behavior; zeroes pruned entries unless the model kept
        their values before."""
        if not self._before:
            return
        for wrapper, *before in self._before:
            wrapper.set_pruned_behavior(*before)
        model.make_train_function(force=True)
        wrapping.set_masks(model, wrapping.get_masks(model))
        self._before = []
