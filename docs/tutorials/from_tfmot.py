# %% [markdown]
# # Coming from TFMOT
#
# The TensorFlow Model Optimization toolkit runs on Keras 2 only.
# `kprune.tfmot` has its pruning and clustering calls on Keras 3, with the same
# names, defaults and arithmetic: change the import, and the code runs. This
# tutorial does that, then shows the same in kprune's own API.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots,litert]"

# %%
import keras
import kprune.tfmot as tfmot  # Was: tensorflow_model_optimization
import matplotlib.pyplot as plt
import numpy as np

import kprune

keras.utils.set_random_seed(0)
(x, y), (x_test, y_test) = kprune.datasets.load_arrays("digits")
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def accuracy(model):
    """Returns a model's test accuracy in percent."""
    model.compile(loss=loss, metrics=["accuracy"])
    return 100 * model.evaluate(x_test, y_test, verbose=0)[1]


model = kprune.models.lenet_300_100(input_shape=(8, 8, 1), seed=0)
model.compile("adam", loss, metrics=["accuracy"])
model.fit(x, y, epochs=8, verbose=0)
print(f"trained: {accuracy(model):.1f} %")

# %% [markdown]
# ## Prune, as in TFMOT

# %%
STEPS, EPOCHS = -(-len(x) // 32), 6
schedule = tfmot.sparsity.keras.PolynomialDecay(
    initial_sparsity=0.5,
    final_sparsity=0.9,
    begin_step=0,
    end_step=STEPS * (EPOCHS - 2),
    frequency=20,
)
pruned = tfmot.sparsity.keras.prune_low_magnitude(model, schedule)
pruned.compile("adam", loss, metrics=["accuracy"])
pruned.fit(
    x,
    y,
    epochs=EPOCHS,
    callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    verbose=0,
)
plain = tfmot.sparsity.keras.strip_pruning(pruned)
print(f"pruned: {accuracy(plain):.1f} %")

# %% [markdown]
# Like TFMOT's, the shim removes the same share of each layer. The pruned model
# is also one of kprune's, whose tools take it.

# %%
kprune.summary(pruned)

# %% [markdown]
# ## Cluster, as in TFMOT
#
# Sparsity preserving clustering: 16 values for each weight, and the zeros stay.

# %%
cluster_weights = tfmot.clustering.keras.experimental.cluster_weights
clustered = cluster_weights(
    plain,
    number_of_clusters=16,
    cluster_centroids_init=(
        tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    ),
    preserve_sparsity=True,
)
clustered.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
clustered.fit(x, y, epochs=2, verbose=0)
final = tfmot.clustering.keras.strip_clustering(clustered)
print(f"clustered: {accuracy(final):.1f} %")
for layer in final.layers:
    if isinstance(layer, keras.layers.Dense):
        kernel, _ = layer.get_weights()
        values, zeros = len(np.unique(kernel)), np.mean(kernel == 0)
        print(f"{layer.name}: {values} values, {100 * zeros:.1f} % zeros")

# %% [markdown]
# ## Export
#
# With TFMOT, the gain shows once the file is zipped. `export` tells the bytes,
# plain and gzipped. It opens the file in LiteRT and compares its outputs with
# the model's before it puts it in place, and stores zeros as such where that
# makes the file smaller.

# %%
files = {
    "trained": kprune.export(model, "trained.tflite"),
    "clustered": kprune.export(final, "clustered.tflite"),
    "clustered, int8": kprune.export(
        final, "int8.tflite", quantize="int8", representative_data=x
    ),
}
for name, file in files.items():
    print(f"{name:16} {file.bytes:8,} bytes, gzipped {file.gzipped:8,}")

# %% [markdown]
# The int8 file stores all weights, zeros too. So it is larger than the float32
# file without them, and the smallest once it is compressed.
#
# ## The same in kprune's own API
#
# `wrap` adds masks, `GradualPruning` is the callback, and `strip` ends it.

# %%
sparse = kprune.wrap(model)
sparse.compile("adam", loss, metrics=["accuracy"])
pruning = kprune.callbacks.GradualPruning(
    "gmp",
    0.9,
    schedule=kprune.schedules.get("cubic", initial=0.5),
    end=STEPS * (EPOCHS - 2),
    every=20,
)
history = sparse.fit(
    x, y, epochs=EPOCHS, callbacks=[pruning], verbose=0
).history
print(f"pruned: {accuracy(kprune.strip(sparse)):.1f} %")

# %%
edges = STEPS * np.arange(1, EPOCHS + 1)
steps = range(0, STEPS * EPOCHS, 5)
decay = [100 * float(schedule(step)[1]) for step in steps]
percents = 100 * np.array(history["sparsity"])
plt.plot(edges, percents, "o", label="GradualPruning, after each epoch")
plt.plot(steps, decay, label="PolynomialDecay")
plt.xlabel("step")
plt.ylabel("sparsity, %")
plt.legend()
plt.show()

# %% [markdown]
# ## Next
#
# - [All names of TFMOT](../how-to/migrating_from_tfmot.md), what differs, and
#   how the masks were compared with TFMOT's, bit by bit.
