# %% [markdown]
# # Lottery tickets, with sanity checks
#
# The lottery ticket hypothesis
# ([Frankle and Carbin, 2019](https://arxiv.org/abs/1803.03635)) says that a
# dense network holds a sparse one that trains as well from the same initial
# weights. Iterative magnitude pruning finds it: train, prune the smallest
# weights, reset the others to their initial values, repeat.
#
# A ticket proves little by itself. Does it need *these* weights, or only their
# number in each layer? Two controls answer that: the same masks on new initial
# weights, and the same weights under shuffled masks.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots]"

# %%
import keras
import matplotlib.pyplot as plt

import kprune

EPOCHS, LEVELS, FRACTION = 6, 2, 0.8

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
train, test = kprune.datasets.load("digits", batch_size=64)


def data(step):
    """Returns the training data from a step on."""
    train, _ = kprune.datasets.load("digits", batch_size=64, start=step)
    return train


def accuracy(model):
    """Returns a model's test accuracy in percent."""
    return 100 * model.evaluate(test, verbose=0)[1]


model = kprune.models.lenet_300_100(input_shape=(8, 8, 1), seed=0)
model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])

# %% [markdown]
# ## Find the tickets
#
# Each level removes 80 % of the weights that are left. `imp` yields a ticket
# after each level. As the data are a function of a step, each level sees the
# same batches in the same order.

# %%
training = kprune.tickets.Training(
    data, epochs=EPOCHS, steps_per_epoch=len(train), verbose=0
)
tickets = list(
    kprune.tickets.imp(model, training, levels=LEVELS, fraction=FRACTION)
)
for ticket in tickets:
    left = 100 * (1 - ticket.sparsity)
    print(
        f"level {ticket.level}: {left:5.1f} % of the weights left, "
        f"test accuracy {accuracy(ticket.model):.1f} %"
    )

# %% [markdown]
# With 20.0 % of the weights, the ticket comes near the dense network. With
# 4.0 % it does not, after as many epochs. The paper removes a fifth at a time,
# over many more levels; these steps are coarse, to be quick.
#
# ## Two controls
#
# `ticket.rewound()` is the ticket before its training: masks on initial
# weights. `kprune.sanity` changes one thing about it, and both controls train
# just as long, on the same batches.


# %%
def trained(model):
    """Trains as the levels do; returns the test accuracy in percent."""
    steps = {"epochs": EPOCHS, "steps_per_epoch": len(train)}
    model.fit(data(0), shuffle=False, verbose=0, **steps)
    return accuracy(model)


ticket = tickets[-1]
redrawn = ticket.rewound()
kprune.sanity.reinitialize(redrawn, seed=1)
masks = kprune.sanity.shuffle(ticket.masks, seed=1)
results = {
    "ticket": accuracy(ticket.model),
    "new weights": trained(redrawn),
    "shuffled": trained(ticket.rewound(masks)),
}
for name, found in results.items():
    print(f"{name:12} {found:.1f} %")

# %%
left = [100 * (1 - ticket.sparsity) for ticket in tickets]
plt.plot(left, [accuracy(t.model) for t in tickets], "o-", label="tickets")
plt.plot(left[-1], results["new weights"], "x", label="on new weights")
plt.plot(left[-1], results["shuffled"], "+", label="shuffled masks")
plt.xscale("log")
plt.xticks(left, [f"{share:.3g}" for share in left])
plt.minorticks_off()
plt.gca().invert_xaxis()
plt.xlabel("weights left, %")
plt.ylabel("test accuracy, %")
plt.legend()
plt.show()

# %% [markdown]
# ## A verdict
#
# `verdict` compares a method with its control by Welch's test, over several
# seeds. It gives none of a single run:

# %%
for name, check in (("new weights", "reinitialize"), ("shuffled", "shuffle")):
    sides = [results["ticket"]], [results[name]]
    print(kprune.sanity.verdict(*sides, "the ticket", check))

# %% [markdown]
# `kprune tickets --config=lottery_ticket:imp` runs the experiment on MNIST over
# three seeds, with both controls. [Its results](../reproductions/tickets.md)
# have verdicts.

# %% [markdown]
# ## Next
#
# - [Lottery tickets](../reproductions/tickets.md) has the experiment on MNIST,
#   with more levels, and rewinding to a later step (`rewind_to="500it"`).
# - [Sanity checks](../reproductions/sanity.md) of methods that prune at
#   initialization.
