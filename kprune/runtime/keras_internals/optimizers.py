"""Access that an optimizer with its own weight decay needs."""

import keras


class GradientDecay(keras.optimizers.Optimizer):
    """An optimizer that adds weight decay to gradients itself.

    Keras takes the decay off the variables, before the update. Where a release
    lacks one of these names, building or applying fails and names it.
    """

    def decays(self, variable):
        """Whether `exclude_from_weight_decay` leaves the variable in."""
        return bool(self.weight_decay) and self._use_weight_decay(variable)

    def place(self, variable):
        """Returns the index of a variable among those of `build`."""
        return self._get_variable_index(variable)

    def _apply_weight_decay(self, variables):
        """Nothing: the subclass adds the decay to the gradients."""
