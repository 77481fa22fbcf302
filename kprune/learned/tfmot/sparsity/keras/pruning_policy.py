"""Policies that choose the layers to prune."""

import abc

import keras

from kprune.runtime import identity, keras_internals, types

layers = keras.layers

_SIMPLE = (
    layers.Add,
    layers.Dropout,
    layers.ELU,
    layers.LeakyReLU,
    layers.Multiply,
    layers.ReLU,
    layers.ZeroPadding2D,
)
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "sigmoid")
_OPERATIONS = ("Add", "Identity", "Multiply", "Subtract")


class PruningPolicy(abc.ABC):
    """Base class of policies that choose the layers to wrap.

    `prune_low_magnitude` reads them.
    """

    @abc.abstractmethod
    def allow_pruning(self, layer: keras.layers.Layer) -> bool:
        """Returns whether to prune a layer."""

    @abc.abstractmethod
    def ensure_model_supports_pruning(self, model: types.Model) -> None:
        """Raises `ValueError` unless the policy applies to a model."""


class PruneForLatencyOnXNNPack(PruningPolicy):
    """Prunes 1 x 1 convolutions in models that XNNPACK runs sparsely.

    Fast Sparse ConvNets, https://arxiv.org/abs/1911.09723. Such a model starts
    with a 3 x 3 convolution of stride 2 over a padded image of three channels,
    ends with global average pooling, and has in between only layers that
    XNNPACK supports in channels-first form.
    """

    def allow_pruning(self, layer: keras.layers.Layer) -> bool:
        is_2d = isinstance(layer, layers.Conv2D)
        return is_2d and tuple(layer.kernel_size) == (1, 1)

    def ensure_model_supports_pruning(self, model: types.Model) -> None:
        graph = _Graph(model)
        starts = graph.first(graph.inputs, graph.is_start, graph.after)
        if not starts:
            raise ValueError(
                f"Model {model.name!r} does not begin as XNNPACK wants it. "
                "Expected on all branches a `Conv2D` of 3 x 3, stride 2, three "
                'input channels and `padding="valid"` after a `ZeroPadding2D` '
                "of 1."
            )
        ends = graph.first(graph.outputs, _is_end, graph.before)
        if not ends:
            raise ValueError(
                f"Model {model.name!r} does not end as XNNPACK wants it. "
                "Expected `GlobalAveragePooling2D` on all branches."
            )
        todo = [one for start in starts for one in graph.after(start)]
        graph.first(todo, lambda x: x in ends or graph.refuse(x), graph.after)


def _is_end(layer):
    return isinstance(layer, layers.GlobalAveragePooling2D)


class _Graph:
    """The graph of a model's layers and operations.

    Nested models count as layers.
    """

    def __init__(self, model):
        made = identity.ByIdentity()
        self._before, self._after = {}, {}
        for operation, arguments, outputs in keras_internals.nodes(model):
            self._before.setdefault(operation, [])
            self._after.setdefault(operation, [])
            for x in keras.tree.flatten(arguments):
                source = made.get(x) if _is_tensor(x) else None
                if source is not None:
                    self._before[operation].append(source)
                    self._after[source].append(operation)
            made.update((x, operation) for x in outputs)
        self.inputs = [x for x, found in self._before.items() if not found]
        last = [made.get(x) for x in keras.tree.flatten(model.outputs)]
        self.outputs = [x for x in last if x is not None]

    def after(self, one):
        return self._after[one]

    def before(self, one):
        return self._before[one]

    def first(self, todo, found, following):
        """Returns the first match on each path from the operations `todo`, or
        an empty list if a path ends without one."""
        todo, seen, hits = list(todo), set(todo), []
        while todo:
            one = todo.pop()
            if found(one):
                hits.append(one)
                continue
            if not following(one):
                return []
            fresh = [x for x in following(one) if x not in seen]
            seen.update(fresh)
            todo += fresh
        return hits

    def is_start(self, layer):
        """Returns whether a layer is the initial convolution of a sparse
        network."""
        return (
            type(layer) is layers.Conv2D
            and tuple(layer.kernel.shape[:3]) == (3, 3, 3)
            and tuple(layer.strides) == (2, 2)
            and layer.padding == "valid"
            and self._padding(layer) == ((1, 1), (1, 1))
        )

    def refuse(self, one):
        """Raises unless XNNPACK runs an operation in a sparse network; else
        returns `False`, for `first` to continue."""
        if not self._is_supported(one):
            raise ValueError(
                f"{one.name!r} of class {type(one).__name__} is none that "
                "XNNPACK runs in a sparse network. Take it out, or leave out "
                "`pruning_policy`."
            )
        return False

    def _padding(self, layer):
        """Returns the padding right before a layer, or `None`."""
        sources = self.before(layer)
        padded = len(sources) == 1 and isinstance(
            sources[0], layers.ZeroPadding2D
        )
        return sources[0].padding if padded else None

    def _is_supported(self, one):
        if not isinstance(one, layers.Layer):
            return type(one).__name__ in _OPERATIONS
        if isinstance(one, _SIMPLE):
            return True
        if isinstance(one, layers.DepthwiseConv2D):
            return self._is_supported_depthwise(one)
        if isinstance(one, layers.Conv2D):
            return (
                one.groups == 1
                and _all_ones(one.dilation_rate)
                and _all_ones(one.kernel_size)
                and _all_ones(one.strides)
            )
        if isinstance(one, layers.GlobalAveragePooling2D):
            return one.keepdims
        if isinstance(one, layers.BatchNormalization):
            return one.axis in (-1, 3)
        if isinstance(one, layers.UpSampling2D):
            return one.interpolation == "bilinear"
        if isinstance(one, layers.Activation):
            return keras_internals.activation_name(one) in _ACTIVATIONS
        return False

    def _is_supported_depthwise(self, layer):
        size, strides = layer.kernel_size[0], tuple(layer.strides)
        square = tuple(layer.kernel_size) in ((3, 3), (5, 5))
        plain = layer.depth_multiplier == 1 and _all_ones(layer.dilation_rate)
        if not (square and plain):
            return False
        if layer.padding == "same":
            return strides == (1, 1)
        half = size // 2
        padded = self._padding(layer) == ((half, half), (half, half))
        return padded and strides in ((1, 1), (2, 2))


def _is_tensor(x):
    return isinstance(x, keras.KerasTensor)


def _all_ones(values):
    values = values if isinstance(values, tuple | list) else (values,)
    return all(value == 1 for value in values)
