# %% [markdown]
# # Dynamic sparse training with RigL
#
# A mask that is fixed before training can be wrong. RigL
# ([Evci et al., 2020](https://arxiv.org/abs/1911.11134)) moves it: every few
# steps it drops the smallest weights, and grows as many where the gradient of
# the dense network is largest. The network is sparse from the first step to
# the last. This tutorial compares it with masks that stay.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots]"

# %%
import keras
import matplotlib.pyplot as plt

import kprune

EPOCHS, SPARSITY = 12, 0.98
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

# %% [markdown]
# ## A sparse network to start from
#
# The initial masks set the budget. Random masks will do; the allocation
# `"erk"` (Erdos-Renyi-Kernel) leaves more to small layers.

# %%
model = kprune.models.lenet_300_100(input_shape=(8, 8, 1), seed=0)
sparse = kprune.prune(model, "random", SPARSITY, allocation="erk")
kprune.summary(sparse)

# %% [markdown]
# ## Train, and move the masks
#
# `DynamicSparseTraining` is a callback of `fit`. Its logs tell how far the
# masks have moved.


# %%
def trained(method, **options):
    """Returns the history of a training from the same masks and weights."""
    train, test = kprune.datasets.load("digits", batch_size=64)
    model = kprune.wrap(sparse)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"])
    moving = kprune.callbacks.DynamicSparseTraining(method, **options)
    return model.fit(
        train,
        validation_data=test,
        epochs=EPOCHS,
        shuffle=False,
        callbacks=[moving],
        verbose=0,
    ).history


runs = {"rigl": trained("rigl", every="20it"), "static": trained("static")}
for method, history in runs.items():
    last = {name: values[-1] for name, values in history.items()}
    print(
        f"{method:7} test accuracy {100 * last['val_accuracy']:.1f} %, "
        f"sparsity {last['sparsity']:.4f}"
    )

# %% [markdown]
# Both start from the same masks and weights, and both end with as many weights
# as they began with. The masks that move reach 92.2 %, those that stay 61.7 %.
# (The static network is still improving: 12 epochs are few for it.) This is one
# run of each, an example: [on MNIST](../how-to/training.md), over
# three seeds and with tests, RigL is ahead of static masks too.
#
# ## How far the masks moved
#
# `exploration` is the share of all weights that were ever active, and `overlap`
# how much of the first masks is left, as a Jaccard index.

# %%
for method, history in runs.items():
    exploration, overlap = history["exploration"][-1], history["overlap"][-1]
    print(f"{method:7} exploration {exploration:.3f}, overlap {overlap:.3f}")

# %%
_, axes = plt.subplots(1, 2, figsize=(9.2, 3.6))
labels = {
    "val_accuracy": "test accuracy, %",
    "exploration": "weights ever active, %",
}
for axis, (key, label) in zip(axes, labels.items(), strict=True):
    for method, history in runs.items():
        percents = [100 * value for value in history[key]]
        axis.plot(range(1, EPOCHS + 1), percents, "o-", label=method)
    axis.set(xlabel="epoch", ylabel=label)
    axis.legend()
plt.show()

# %% [markdown]
# ## What it costs
#
# `training_flops` counts a step as RigL's paper does: the dense gradients are
# computed only in the steps that move masks.

# %%
report = kprune.report(sparse)
for method in ("static", "rigl", "snfs"):
    flops = kprune.callbacks.dynamic.training_flops(report, method, every=20)
    print(f"{method:7} {100 * flops.ratio:.2f} % of a dense step")

# %% [markdown]
# Its masks move every 20 steps here, and only then RigL needs dense gradients.
# SNFS needs them in each step.
#
# These are operations, not seconds: on dense hardware, a sparse step takes as
# long as a dense one.
#
# ## Next
#
# - [Prune while training](../how-to/training.md): the other methods, and their
#   figures on MNIST.
# - `kprune.training.fit` resumes such a training bit for bit.
