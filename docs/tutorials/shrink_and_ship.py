# %% [markdown]
# # Shrink a trained CNN and ship it to LiteRT
#
# Zeros in a convolution make it no faster. What does is to remove whole
# channels and build the smaller network. This tutorial trains a convolutional
# network, halves its multiply-adds, fine-tunes it, and exports it to LiteRT,
# in float32 and in int8. Each step is measured.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots,litert]"

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import kprune

keras.utils.set_random_seed(0)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
train, test = kprune.datasets.load("digits", batch_size=64)

# %% [markdown]
# ## Train
#
# The network has a residual connection, so that some of its channels can only
# be removed together.

# %%
layers = keras.layers


def unit(x, filters, relu=True):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


inputs = keras.Input((8, 8, 1))
stem = unit(inputs, 16)
block = unit(unit(stem, 16), 16, relu=False)
x = layers.ReLU()(layers.add([stem, block]))
x = unit(layers.MaxPooling2D()(x), 32)
outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
model = keras.Model(inputs, outputs, name="digits")


def fit(model, epochs, rate):
    """Trains a model; returns its test accuracy in percent."""
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(train, epochs=epochs, shuffle=False, verbose=0)
    return accuracy(model)


def accuracy(model):
    """Returns a compiled model's test accuracy in percent."""
    return 100 * model.evaluate(test, verbose=0)[1]


steps = {"trained": fit(model, 8, 5e-3)}
print(f"{steps['trained']:.1f} %")

# %% [markdown]
# ## Prune channels
#
# `target={"flops": 0.5}` leaves half of the multiply-adds. The criterion
# `"taylor"` scores a channel by how much the loss would change without it, on
# some training data, and `"uniform"` removes the same share of each layer. The
# channels are only masked yet: the model has the shapes that it had.

# %%
pruned = kprune.prune(
    model,
    "taylor",
    target={"flops": 0.5},
    granularity="channel",
    allocation="uniform",
    data=train.take(8),
    loss=loss,
    verbose=0,
)
steps["pruned"] = accuracy(pruned)
print(f"{steps['pruned']:.1f} %")
kprune.summary(pruned)

# %% [markdown]
# Half of the multiply-adds at once costs nearly all of the accuracy, which
# fine-tuning brings back below.
#
# ## Shrink
#
# `shrink` builds the smaller network. Before it returns it, it compares its
# outputs with those of the pruned one.

# %%
small = kprune.shrink(pruned, verbose=0)
for layer in small.layers:
    if isinstance(layer, layers.Conv2D):
        before = model.get_layer(layer.name).filters
        print(f"{layer.name:10} {before} filters, now {layer.filters}")

# %% [markdown]
# The residual connection ties the first and the third convolution: they keep
# the same channels. Fine-tuning now trains the small network, which is also
# faster to train.

# %%
steps["fine-tuned"] = fit(small, 6, 1e-3)
for step, percent in steps.items():
    print(f"{step:10} {percent:.1f} %")

# %% [markdown]
# ## Compare
#
# `compare` measures both models side by side, in alternation.

# %%
print(kprune.compare(model, small, data=test, repeats=5, verbose=0))

# %% [markdown]
# Parameters and multiply-adds are exact. Times are those of one machine, here a
# busy one: where the middle half of the ratios is wide, they say little.
# [Smaller and faster](../concepts/smaller_and_faster.md): what helps where.
#
# ## Export to LiteRT
#
# `export` opens the file in LiteRT, runs it, and compares its outputs with the
# model's, before it writes anything. For int8 it needs typical inputs, to
# learn the range of each activation.

# %%
(x, y), (x_test, y_test) = kprune.datasets.load_arrays("digits")
files = {
    "dense, float32": kprune.export(model, "dense.tflite"),
    "small, float32": kprune.export(small, "small.tflite"),
    "small, int8": kprune.export(
        small, "small_int8.tflite", quantize="int8", representative_data=x
    ),
}
for name, file in files.items():
    print(f"{name:15} {file.bytes:7,} bytes, error {file.error:.0e}")

# %% [markdown]
# The file needs LiteRT alone, neither kprune nor TensorFlow. This is the
# program for the device:

# %%
from ai_edge_litert.interpreter import Interpreter


def served(path):
    """Returns the test accuracy of a file in percent."""
    interpreter = Interpreter(path, num_threads=1)
    serve = interpreter.get_signature_runner("serving_default")
    (name,) = serve.get_input_details()
    right = []
    for image, digit in zip(x_test, y_test, strict=True):
        (scores,) = serve(**{name: image[None]}).values()
        right.append(scores.argmax() == digit)
    return 100 * np.mean(right)


percents = {name: served(str(file.path)) for name, file in files.items()}
for name, percent in percents.items():
    print(f"{name:15} {percent:.1f} %")

# %%
for name, file in files.items():
    plt.plot(file.bytes / 1000, percents[name], "o", label=name)
plt.xlabel("size of the file, kB")
plt.ylabel("test accuracy, %")
plt.ylim(90, 100)
plt.legend()
plt.show()

# %% [markdown]
# ## Next
#
# - [`kprune.compress`](../how-to/compress.md) does all of this in one call: it
#   prunes and fine-tunes in steps, until a budget is met or the accuracy drops.
# - [Export](../how-to/deployment.md) has the other formats, and their figures.
