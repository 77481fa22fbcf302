# %% [markdown]
# # Write your own criterion
#
# A criterion is a function that scores each weight; kprune keeps the highest.
# All else exists already: granularities, allocations, schedules, sanity checks.
# This tutorial writes one, proves it, and asks a question with it. SNIP scores
# a weight by |w dL/dw|. Does it need the factor |w|?

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots]"

# %%
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import kprune

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

# %% [markdown]
# ## The function
#
# It gets the loss as a function of the weights, `objective`, and two dicts by
# weight name. It returns a dict of scores of the same shapes. Options are
# keyword arguments with defaults: here the power of |w|, so that 1 is SNIP and
# 0 looks at the gradient alone.


# %%
def tempered_snip(objective, weights, masks, power=1.0):
    """Scores a weight by |w|^power |dL/dw|."""
    at = {name: w * masks[name] for name, w in weights.items()}
    gradient = objective.gradient(at)
    return {
        name: tf.abs(w) ** power * tf.abs(gradient[name])
        for name, w in weights.items()
    }


# %% [markdown]
# ## A number worked out by hand
#
# For y = w.x, with w = [1, -2], x = [3, 1] and the target 0, the output is 1.
# The derivative of the squared error is 2 (w.x - 0) x = [6, 2].

# %%
out = keras.layers.Dense(1, use_bias=False, name="out")
line = keras.Sequential([keras.Input((2,)), out])
line.set_weights([np.array([[1.0], [-2.0]], "float32")])
x, y = np.array([[3.0, 1.0]], "float32"), np.zeros((1, 1), "float32")
for power in (0, 1, 2):
    scores = kprune.score(
        line, tempered_snip, data=(x, y), loss="mse", power=power
    )
    print(power, np.ravel(scores["out/kernel"]))

# %% [markdown]
# ## The contract
#
# Each criterion leaves the model as it is, scores every weight with a finite
# number, gives the same scores for the same seed, and more. `check_criterion`
# runs the tests that kprune's own criteria pass, and raises if one fails.

# %%
with warnings.catch_warnings():
    # It would also compare two replicas, but warns if there is one device.
    warnings.simplefilter("ignore")
    kprune.testing.check_criterion(tempered_snip)
print("passed")

# %% [markdown]
# ## Use it
#
# It goes wherever a method's name goes, with all the other axes. Both methods
# read the same images here, so with the power 1 both keep the same weights.

# %%
(x, y), _ = kprune.datasets.load_arrays("digits")
images, labels = x[:256], y[:256]
model = kprune.models.lenet_300_100(input_shape=(8, 8, 1), seed=0)
scored = {"data": (images, labels), "loss": loss, "verbose": 0}
ours = kprune.prune(model, tempered_snip, 0.95, **scored)
snip = kprune.prune(model, "snip", 0.95, **scored)
masks = kprune.get_masks(ours), kprune.get_masks(snip)
print("overlap with SNIP's masks:", kprune.masks.overlap(*masks))

units = kprune.prune(
    model, tempered_snip, 0.5, granularity="channel", power=0.5, **scored
)
small = kprune.shrink(units, verbose=0)
print([layer.units for layer in small.layers if hasattr(layer, "units")])

# %% [markdown]
# ## Ask the question
#
# How far do the masks change with the power, and where? The overlap is the
# Jaccard index with SNIP's masks: 1 if they are the same.

# %%
POWERS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
overlaps, layers = [], {}
for power in POWERS:
    sparse = kprune.prune(model, tempered_snip, 0.95, power=power, **scored)
    masks = kprune.get_masks(sparse)
    overlaps.append(kprune.masks.overlap(masks, kprune.get_masks(snip)))
    for row in kprune.report(sparse).rows:
        if row.counts:
            kept = 100 * row.kept / row.total
            layers.setdefault(row.name, []).append(kept)
print(f"{'power':10}" + "".join(f"{power:8}" for power in POWERS))
print(f"{'overlap':10}" + "".join(f"{value:8.2f}" for value in overlaps))
for name, kept in layers.items():
    print(f"{name:10}" + "".join(f"{value:6.1f} %" for value in kept))

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.6))
left.plot(POWERS, overlaps, "o-", label="overlap with SNIP")
left.set(xlabel="power of |w|", ylabel="Jaccard index")
for name, kept in layers.items():
    right.plot(POWERS, kept, "o-", label=name)
right.set(xlabel="power of |w|", ylabel="weights left, %")
left.legend()
right.legend()
plt.show()

# %% [markdown]
# So the factor matters to the masks: without |w|, their overlap with those of
# SNIP is 0.30. Much of the change is between layers. From power 0 to 1,
# the share of the first layer that is kept rises from 0.8 % to 5.7 %, and that
# of the second falls from 6.9 % to 3.8 %.
#
# Which masks train better is another question. A sweep answers it, over several
# seeds: a config takes your function as `"module:function"`.
#
# ## Next
#
# - [Your own methods in a sweep](../how-to/own.md).
# - [Add a criterion](../contributing/add_a_criterion.md) to kprune, as a file.
# - [The three primitives](../concepts/primitives.md): `gradient`, `hvp` and
#   `inputs` are what criteria are made of.
# - `kprune.sanity.checked(tempered_snip, "shuffle")` is a method too, with
#   masks shuffled within each layer.
