"""The wrapper that clusters a layer's weights during training."""

import keras
import numpy as np
import tensorflow as tf

from kprune.learned.reparametrized import Reparametrization, Reparametrized
from kprune.learned.tfmot.clustering.keras import centroids
from kprune.learned.tfmot.clustering.keras.cluster_config import (
    CentroidInitialization,
    GradientAggregation,
)
from kprune.learned.tfmot.clustering.keras.clusterable_layer import (
    clusterable_weights,
    is_known,
)
from kprune.masking import weights
from kprune.runtime import checks

_INITS = list(CentroidInitialization)


@keras.saving.register_keras_serializable("kprune")
class ClusteredWeight(Reparametrization):
    """Replaces each entry of a weight by the nearest centroid.

        w_eff = c[argmin_k |w - c[k]|]

    Both are trained: a centroid on the gradients of the entries nearest to it,
    an entry on its own gradient, straight through.

    Args:
        number_of_clusters: Integer, the number of centroids.
        cluster_centroids_init: A `CentroidInitialization`.
        preserve_sparsity: Whether entries that start at the zero centroid stay
            zero, and so does this centroid. Defaults to `False`.
        per_channel: Whether each output channel, along the last axis, has its
            own centroids. Defaults to `False`.
        aggregation: A `GradientAggregation`. Defaults to `SUM`.
    """

    options = (
        "number_of_clusters",
        "cluster_centroids_init",
        "preserve_sparsity",
        "per_channel",
        "aggregation",
    )

    def __init__(
        self,
        number_of_clusters,
        cluster_centroids_init,
        preserve_sparsity=False,
        per_channel=False,
        aggregation=GradientAggregation.SUM,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.number_of_clusters = number_of_clusters
        how = CentroidInitialization(cluster_centroids_init)
        self.cluster_centroids_init = str(how.value)
        self.preserve_sparsity = preserve_sparsity
        self.per_channel = per_channel
        self.aggregation = str(GradientAggregation(aggregation).value)

    def build(self, input_shape):
        with tf.init_scope():  # A layer may be built while a step is traced.
            values = keras.ops.convert_to_numpy(self.weight.value)
            values = values.astype(np.float32)
            first = self._first_centroids(values)
            kept = _look_up(first, _nearest(values, first)).numpy() != 0
        self.cluster_centroids = self._add("cluster_centroids", first, True)
        if self.preserve_sparsity:
            zero = np.abs(first) == np.abs(first).min(-1, keepdims=True)
            zero &= np.cumsum(zero, -1) == 1  # The first one if several tie.
            self.zero_centroid = self._add("zero_centroid", zero, False)
            self.kept = self._add("kept", kept, False)

    def _add(self, name, value, trainable):
        """Adds a variable with the initial value `value`."""
        return self.add_weight(
            name=name,
            shape=value.shape,
            initializer=lambda shape, dtype=None: tf.constant(value, dtype),
            dtype="bool" if value.dtype == bool else None,
            trainable=trainable,
        )

    def _first_centroids(self, values):
        how = CentroidInitialization(self.cluster_centroids_init)
        arguments = (self.number_of_clusters, how, self.preserve_sparsity)
        if not self.per_channel:
            return centroids.initial(values, *arguments)
        by_channel = np.moveaxis(values, -1, 0)
        return np.stack([centroids.initial(v, *arguments) for v in by_channel])

    def call(self, w):
        w = tf.cast(w, self.variable_dtype)
        c = tf.convert_to_tensor(self.cluster_centroids.value)
        if self.preserve_sparsity:
            c = tf.where(self.zero_centroid.value, tf.zeros([], c.dtype), c)
            w = tf.where(self.kept.value, w, tf.zeros([], w.dtype))
        places = _nearest(tf.stop_gradient(w), tf.stop_gradient(c))
        if self.aggregation == GradientAggregation.AVG:
            c = _averaged(c, places)
        # The added term is exactly 0 and carries the gradient of w.
        return _look_up(c, places) + (w - tf.stop_gradient(w))


def _nearest(w, c):
    """Returns the indices of the nearest centroids, the first one of ties."""
    # Per channel, the last axis of w aligns with the first of c.
    return tf.argmin(tf.abs(w[..., tf.newaxis] - c), -1)


def _look_up(c, places):
    """Returns the centroids at the indices `places`, per channel if `c` is."""
    c = tf.convert_to_tensor(c)
    if len(c.shape) == 1:
        # The sum makes the gradient dense, which every optimizer accepts.
        return tf.gather(c + tf.zeros_like(c), places)
    channels = tf.broadcast_to(
        tf.range(c.shape[0], dtype=places.dtype), tf.shape(places)
    )
    return tf.gather_nd(c, tf.stack([channels, places], -1))


def _averaged(c, places):
    """Returns the centroids unchanged; divides their gradients by the number
    of entries of each."""
    hot = tf.one_hot(places, c.shape[-1], dtype=c.dtype)
    own = len(places.shape) - len(c.shape) + 1  # All axes except channels.
    sizes = tf.reduce_sum(hot, list(range(own)))
    share = tf.math.divide_no_nan(c, sizes)
    return tf.stop_gradient(c) + (share - tf.stop_gradient(share))


@keras.saving.register_keras_serializable("kprune")
class ClusterWeights(Reparametrized):
    """Layer wrapper that clusters the layer's weights while it trains.

    Args:
        layer: A Keras layer.
        number_of_clusters, cluster_centroids_init, preserve_sparsity,
            cluster_per_channel: As for `experimental.cluster_weights`.
        cluster_gradient_aggregation: A `GradientAggregation`. Defaults to
            `SUM`.
        **kwargs: Arguments of a Keras layer.
    """

    def __init__(
        self,
        layer,
        number_of_clusters,
        cluster_centroids_init=CentroidInitialization.KMEANS_PLUS_PLUS,
        preserve_sparsity=False,
        cluster_per_channel=False,
        cluster_gradient_aggregation=GradientAggregation.SUM,
        **kwargs,
    ):
        checks.instance("layer", layer, keras.layers.Layer, "a Keras layer")
        check_known(layer)
        how = check_arguments(
            number_of_clusters,
            cluster_centroids_init,
            preserve_sparsity,
            cluster_per_channel,
        )
        self.__dict__["arguments"] = {
            "number_of_clusters": int(number_of_clusters),
            "cluster_centroids_init": how,
            "preserve_sparsity": bool(preserve_sparsity),
            "cluster_per_channel": bool(cluster_per_channel),
            "cluster_gradient_aggregation": GradientAggregation(
                cluster_gradient_aggregation
            ),
        }
        kwargs.setdefault("name", f"cluster_{layer.name}")
        super().__init__(layer, {}, **kwargs)

    @property
    def cluster_centroids(self):
        """The centroids, a dict of variables by weight name."""
        return {n: part.cluster_centroids for n, part in self.parts.items()}

    def _names(self):
        return None  # The weights to cluster are known once it is built.

    def _variables(self, found):
        return dict(weights.named(self.layer))

    def _attach(self, found):
        given = self.arguments
        is_2d = isinstance(self.layer, keras.layers.Conv2D)
        for name, variable in clusterable_weights(self.layer).items():
            self.parts[name] = ClusteredWeight(
                given["number_of_clusters"],
                given["cluster_centroids_init"],
                given["preserve_sparsity"],
                given["cluster_per_channel"] and is_2d,
                given["cluster_gradient_aggregation"],
                # Independent of the dtype that the layer computes in.
                dtype=keras.backend.result_type(variable.dtype, "float32"),
                name=f"{name.replace('/', '_')}_clusters",
            )
            self.names[name] = f"{self.layer.name}/{name}"
        return super()._attach(found)

    def _options(self):
        plain = {
            name: str(value.value) if hasattr(value, "value") else value
            for name, value in self.arguments.items()
        }
        return {**plain, "trainable": self.trainable}

    @classmethod
    def _around(cls, layer, options, custom_objects=None):
        return cls(layer, **options)


def check_arguments(clusters, how, preserve_sparsity, per_channel):
    """Validates the arguments of clustering; returns the initialization."""
    checks.boolean("preserve_sparsity", preserve_sparsity)
    checks.boolean("cluster_per_channel", per_channel)
    least = 3 if preserve_sparsity else 2
    why = ", as one centroid is zero" if preserve_sparsity else ""
    checks.integer("number_of_clusters", clusters, least, why)
    try:
        return CentroidInitialization(how)
    except ValueError:
        every = [f"CentroidInitialization.{x.name}" for x in _INITS]
        expected = f"one of {', '.join(every)}"
        raise checks.invalid("cluster_centroids_init", how, expected) from None


def check_known(layer):
    """Raises unless a layer's class defines which weights to cluster."""
    if is_known(layer):
        return
    raise ValueError(
        f"Layer {layer.name!r} of class {type(layer).__name__} is not one that "
        "TFMOT clusters. Expected a layer of Keras that it knows, or a "
        "`ClusterableLayer`; `kprune.kept_weights.cluster` clusters the "
        "weights of any layer once it is trained."
    )
