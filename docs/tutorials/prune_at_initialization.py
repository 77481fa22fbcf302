# %% [markdown]
# # Prune at initialization and train
#
# A network can be sparse before its first training step. SNIP
# ([Lee et al., 2019](https://arxiv.org/abs/1810.02340)) scores each weight by
# how much the loss would change without it, |w dL/dw|, and keeps the highest
# scores. This tutorial prunes a network to 98 % sparsity, trains what is left,
# and compares three methods over three seeds.
#
# The data are the 8x8 digits that ship with kprune. Nothing is downloaded.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots]"

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import kprune

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
train, test = kprune.datasets.load("digits", batch_size=64)
info = kprune.datasets.info("digits")
print(f"{info.train_size} training and {info.test_size} test images")

# %% [markdown]
# ## Prune
#
# `kprune.prune` takes any built Keras model. It does not modify it, and returns
# a copy with masks. SNIP needs some data and the loss; here it reads four
# batches.

# %%
model = kprune.models.lenet_300_100(input_shape=(8, 8, 1), classes=10, seed=0)
sparse = kprune.prune(
    model, "snip", sparsity=0.98, data=train.take(4), loss=loss, verbose=0
)
kprune.summary(sparse)

# %% [markdown]
# *Kept* counts the weights that are left. *On path* counts those of them
# through which a signal can flow from an input to an output: a weight behind a
# unit that has lost all its inputs does nothing. SNIP removes a larger share of
# the hidden layers than of the output layer, although nobody told it to.

# %% [markdown]
# ## Train
#
# The sparse model trains like any other. Pruned weights stay exactly zero,
# whatever the optimizer.


# %%
def fit(model):
    """Trains a model; returns its test accuracy after each epoch."""
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    history = model.fit(
        train, validation_data=test, epochs=10, shuffle=False, verbose=0
    )
    return 100 * np.array(history.history["val_accuracy"])


curves = {"snip": fit(sparse)}
print(f"test accuracy {curves['snip'][-1]:.1f} %")
print(f"sparsity {kprune.report(sparse).sparsity:.2f}")

# %% [markdown]
# ## Compare
#
# How good is that? Random pruning tells, at the same sparsity and from the same
# initial weights.

# %%
random = kprune.prune(model, "random", sparsity=0.98)
curves["random"] = fit(random)
for method, curve in curves.items():
    print(f"{method:7} {curve[-1]:.1f} %")

# %%
for method, curve in curves.items():
    plt.plot(range(1, 11), curve, "o-", label=method)
plt.xlabel("epoch")
plt.ylabel("test accuracy, %")
plt.legend()
plt.show()

# %% [markdown]
# One run of each is an example, no evidence: `kprune sweep` compares methods
# over several seeds, and `kprune report` tests the differences.

# %% [markdown]
# ## Keep the result
#
# `strip` returns a plain Keras model, which needs kprune no more. `export`
# writes one that is verified first: `.kpz` is the smallest that loses nothing.

# %%
plain = kprune.strip(sparse)
print([type(layer).__name__ for layer in plain.layers])
for path in ("digits.keras", "digits.kpz"):
    print(f"{path:12} {kprune.export(sparse, path).bytes:7,} bytes")
print(f"{'dense':12} {kprune.export(model, 'dense.kpz').bytes:7,} bytes")

# %% [markdown]
# ## Next
#
# - [Which method for what](../start/which_method.md), with measured reasons.
# - A method may know only how much each layer can spare:
#   [sanity checks](../reproductions/sanity.md) tell.
# - [Your own network and data](../how-to/own.md) in a sweep.
