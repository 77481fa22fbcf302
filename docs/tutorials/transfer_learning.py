# %% [markdown]
# # Transfer a network of keras.applications, and prune it
#
# The usual path of transfer learning: take a trained backbone, train a new head
# on it, fine-tune all of it. This tutorial prunes on the way, so that the
# fine-tuning also makes up for the pruning, and ends with a network that is
# physically smaller.
#
# To run without a download, the backbone first learns what it transfers: the
# digits from 0 to 4. The task is to tell those from 5 to 9 apart. With a
# connection, as on Colab, `weights="imagenet"` gives a trained backbone
# instead, and the calls are the same.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots]"

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import kprune

SIZE = 32

keras.utils.set_random_seed(0)
(x, y), (x_test, y_test) = kprune.datasets.load_arrays("digits")


def as_photographs(x):
    """Returns images of the size and channels that the backbone takes."""
    x = keras.ops.image.resize(x, (SIZE, SIZE))
    return np.repeat(keras.ops.convert_to_numpy(x), 3, axis=-1)


x, x_test = as_photographs(x), as_photographs(x_test)
old, old_labels = x[y < 5], y[y < 5]
x, y = x[y >= 5], y[y >= 5] - 5
x_test, y_test = x_test[y_test >= 5], y_test[y_test >= 5] - 5
print(f"{len(old)} images to learn from; of the task, {len(x)} to train")
print(f"and {len(x_test)} to test")

# %% [markdown]
# ## A trained backbone
#
# MobileNet averages the statistics of its batch normalization over hundreds of
# steps. This training has fewer, so `recalibrate` computes them from images.

# %%
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
backbone = keras.applications.MobileNet(
    input_shape=(SIZE, SIZE, 3),
    alpha=0.25,
    include_top=False,
    pooling="avg",
    weights=None,
)
source = keras.Sequential([backbone, keras.layers.Dense(5)])
source.compile(keras.optimizers.Adam(3e-3), loss)
source.fit(old, old_labels, epochs=8, batch_size=64, verbose=0)
kprune.kept_weights.recalibrate(source, data=(old, old_labels))

# %% [markdown]
# ## Train the head
#
# The backbone is frozen at first.

# %%
backbone.trainable = False
inputs = keras.Input((SIZE, SIZE, 3))
# Batch normalization uses its statistics in inference mode, also later on.
features = backbone(inputs, training=False)
outputs = keras.layers.Dense(5, name="head")(features)
model = keras.Model(inputs, outputs)


def fit(model, epochs, rate):
    """Trains a model; returns its test accuracy after each epoch."""
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    history = model.fit(
        x,
        y,
        validation_data=(x_test, y_test),
        epochs=epochs,
        batch_size=64,
        verbose=0,
    ).history
    return [100 * accuracy for accuracy in history["val_accuracy"]]


def accuracy(model):
    """Returns a model's test accuracy in percent."""
    scores = keras.ops.convert_to_numpy(model(x_test, training=False))
    return 100 * np.mean(scores.argmax(axis=-1) == y_test)


fit(model, 10, 1e-2)
steps = {"head trained": accuracy(model)}
print(f"{steps['head trained']:.1f} %")

# %% [markdown]
# Frozen weights are not pruned. The report gives the reason for each weight.

# %%
for row in kprune.report(model).rows[:3]:
    print(f"{row.name:30} {row.skipped}")

# %% [markdown]
# ## Prune channels
#
# Unfreeze first. `target={"flops": 0.5}` leaves half of the multiply-adds, and
# `granularity="channel"` removes coupled channels together: those of a
# depthwise convolution and of the convolutions around it.

# %%
backbone.trainable = True
pruned = kprune.prune(
    model,
    "magnitude",
    target={"flops": 0.5},
    granularity="channel",
    verbose=0,
)
report = kprune.report(pruned)
print(f"multiply-adds: {report.sparse_multiply_adds / 1e6:.2f} of")
print(f"               {report.multiply_adds / 1e6:.2f} million")

# %% [markdown]
# `shrink` builds the network without these channels. Then the statistics of its
# batch normalization no longer fit what its layers see, and `recalibrate`
# computes them anew, from training images.

# %%
small = kprune.shrink(pruned, verbose=0)
steps["shrunk"] = accuracy(small)
kprune.kept_weights.recalibrate(small, data=(x, y))
steps["recalibrated"] = accuracy(small)
for step, percent in steps.items():
    print(f"{step:13} {percent:.1f} %")
print(f"{model.count_params():,} parameters, now {small.count_params():,}")

# %% [markdown]
# ## Fine-tune
#
# All of the small network is trained, and for comparison the whole one.

# %%
EPOCHS, RATE = 10, 1e-3
curves = {
    "whole network": [steps["head trained"], *fit(model, EPOCHS, RATE)],
    "half of the multiply-adds": [
        steps["recalibrated"],
        *fit(small, EPOCHS, RATE),
    ],
}
for name, curve in curves.items():
    print(f"{name:26} {curve[-1]:.1f} %")

# %%
for name, curve in curves.items():
    plt.plot(range(EPOCHS + 1), curve, "o-", label=name)
plt.xlabel("epoch of fine-tuning")
plt.ylabel("test accuracy, %")
plt.legend()
plt.show()

# %% [markdown]
# In this run, the small network ends at 65.6 % and the whole one at 83.9 %, and
# both still improve: ten epochs are few here. One run on 180 test images is an
# example of the steps, and no measurement of what pruning costs.
#
# ## Next
#
# - [`kprune.compress`](../how-to/compress.md) prunes and fine-tunes in steps,
#   until a budget is met or the accuracy drops.
# - [Shrink a trained CNN and ship it](shrink_and_ship.ipynb) exports to LiteRT.
