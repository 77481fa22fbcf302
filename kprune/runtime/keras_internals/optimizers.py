"""Access that an optimizer with its own weight decay needs."""

import keras


class GradientDecay(keras.optimizers.Optimizer):
    """Base class of optimizers that add weight decay to the gradients.

    Keras subtracts the decay from the variables, before the update. If a
    release lacks one of these names, building or applying raises and names it.
    """

    def decays(self, variable):
        """Returns whether weight decay applies to a variable: there is any,
        and `exclude_from_weight_decay` does not exclude it."""
        return bool(self.weight_decay) and self._use_weight_decay(variable)

    def place(self, variable):
        """Returns the index of a variable among those passed to `build`."""
        return self._get_variable_index(variable)

    def _apply_weight_decay(self, variables):
        """Does nothing: the subclass adds the decay to the gradients."""
