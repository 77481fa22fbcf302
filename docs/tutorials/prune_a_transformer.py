# %% [markdown]
# # Prune a KerasHub transformer in one shot
#
# Large transformers are pruned once, after training, without any further
# training. Wanda ([Sun et al., 2024](https://arxiv.org/abs/2306.11695)) ranks a
# weight by its size times the norm of its input. SparseGPT
# ([Frantar and Alistarh, 2023](https://arxiv.org/abs/2301.00774)) also updates
# the weights that stay, so that each layer's outputs change least. This
# tutorial applies both, and plain magnitudes, to a small GPT-2 from KerasHub,
# and then builds a smaller GPT-2 with fewer hidden units.
#
# The model comes from a config, with random weights, and learns made data:
# nothing is downloaded. With a connection, `GPT2CausalLM.from_preset` gives a
# trained one, and the calls are the same.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots,hub]"

# %%
import warnings

import keras
import keras_hub
import matplotlib.pyplot as plt
import numpy as np

import kprune

TOKENS, LENGTH = 16, 32
keras.utils.set_random_seed(0)

# %% [markdown]
# ## Data whose best perplexity is known
#
# Each token depends on the two before it: after each pair, one of four tokens
# follows, with probabilities of its own. As the probabilities are known, so is
# the perplexity of a model that knows them.

# %%
rng = np.random.default_rng(0)
chances = np.zeros((TOKENS, TOKENS, TOKENS))
for pair in np.ndindex(TOKENS, TOKENS):
    followers = rng.choice(TOKENS, 4, replace=False)
    chances[pair][followers] = rng.dirichlet(np.ones(4))


def sequences(count):
    """Returns `count` sequences of `LENGTH` + 1 tokens."""
    tokens = np.zeros((count, LENGTH + 1), "int32")
    tokens[:, :2] = rng.integers(0, TOKENS, (count, 2))
    sums = chances.cumsum(axis=-1)
    for place in range(2, LENGTH + 1):
        ahead = sums[tokens[:, place - 2], tokens[:, place - 1]]
        tokens[:, place] = (rng.random((count, 1)) > ahead).sum(axis=1)
    return tokens


def followed(tokens):
    """Returns the probability of each token after the two before it."""
    return chances[tokens[:, :-2], tokens[:, 1:-1], tokens[:, 2:]]


def inputs(tokens):
    """Returns what the model reads, and the next tokens."""
    ids = tokens[:, :-1]
    return {"token_ids": ids, "padding_mask": np.ones_like(ids)}, tokens[:, 1:]


x, y = inputs(sequences(4096))
test_tokens = sequences(256)
x_test, y_test = inputs(test_tokens)
# The first of the predicted tokens is drawn evenly.
surprise = -np.log(followed(test_tokens)).sum(axis=1) + np.log(TOKENS)
print(f"best perplexity: {np.exp(surprise.mean() / LENGTH):.2f}")

# %% [markdown]
# ## Train a small GPT-2

# %%
backbone = keras_hub.models.GPT2Backbone(
    vocabulary_size=TOKENS,
    num_layers=2,
    num_heads=4,
    hidden_dim=64,
    intermediate_dim=256,
    dropout=0.0,
    max_sequence_length=LENGTH,
)
model = keras_hub.models.GPT2CausalLM(backbone)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fit(model, epochs):
    """Trains a model. The sequences are in random order already."""
    model.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=False)
    model.fit(x, y, epochs=epochs, batch_size=64, shuffle=False, verbose=0)


def perplexity(model):
    """Returns a model's perplexity on the test sequences."""
    return float(np.exp(loss(y_test, model(x_test, training=False))))


fit(model, 6)
print(f"trained: {perplexity(model):.2f}")

# %% [markdown]
# ## Prune it in one shot
#
# As in the papers, the blocks are pruned and the embeddings stay dense. Wanda
# and SparseGPT read the inputs of each layer from 128 training sequences. With
# `sequential=True`, each block is scored behind the pruned blocks before it.

# %%
# A KerasHub task has a `compile` of its own, which kprune cannot repeat. What
# follows needs none.
warnings.filterwarnings("ignore", message=".* a `compile` of its own")

calibration = ({name: ids[:128] for name, ids in x.items()}, y[:128])


def pruned(method, sparsity, **axes):
    """Returns a pruned copy of the model."""
    if method != "magnitude":
        axes |= {"data": calibration, "loss": loss, "sequential": True}
    axes |= {"exclude": ".*embedding.*", "verbose": 0}
    return kprune.prune(model, method, sparsity, **axes)


half = pruned("sparsegpt", 0.5)
print(f"perplexity {perplexity(half):.2f}")
print(f"sparsity of the blocks: {kprune.report(half).sparsity:.2f}")

# %% [markdown]
# ## Compare
#
# This is the perplexity right after pruning, without further training. Wanda
# compares weights within each output, as in its paper; the other two compare
# them within each weight matrix. So all three remove the same share of each.

# %%
SPARSITIES = (0.5, 0.6, 0.7)
WITHIN = {
    "magnitude": "uniform",
    "wanda": "per_output",
    "sparsegpt": "uniform",
}
results = {}
for method, within in WITHIN.items():
    results[method] = [
        perplexity(pruned(method, sparsity, allocation=within))
        for sparsity in SPARSITIES
    ]
    cells = "".join(f"{value:8.2f}" for value in results[method])
    print(f"{method:10}{cells}")

# %%
dense = perplexity(model)
percents = [0, *(100 * sparsity for sparsity in SPARSITIES)]
for method, found in results.items():
    plt.plot(percents, [dense, *found], "o-", label=method)
plt.xlabel("sparsity of the blocks, %")
plt.ylabel("perplexity")
plt.legend()
plt.show()

# %% [markdown]
# In this run, SparseGPT loses least at each sparsity, and Wanda more than
# magnitudes. That is one seed of a tiny model, and no evidence about large
# ones, for which both were made.
#
# ## Make it smaller
#
# Zeros make a transformer no faster. Fewer channels do. Here, each block loses
# half of the hidden units of its feed-forward part. With `"uniform"` and the
# heads of attention left as they are, GPT-2's own constructor can make the
# smaller model, so that `shrink` returns a model of the same class.

# %%
narrow = kprune.prune(
    model,
    "magnitude",
    0.5,
    granularity="channel",
    allocation="uniform",
    exclude=[".*embedding.*", ".*attention.*"],
    verbose=0,
)
small = kprune.shrink(narrow, verbose=0)
print(type(small).__name__)
print(f"hidden units: {small.backbone.intermediate_dim}")
print(f"{model.count_params():,} parameters, now {small.count_params():,}")
print(f"perplexity {perplexity(small):.2f}")

# %% [markdown]
# Channels are harder to spare than single weights. Two more epochs:

# %%
fit(small, 2)
print(f"perplexity {perplexity(small):.2f}")

# %% [markdown]
# As it is still a `GPT2CausalLM`, it generates. From the first eight tokens of
# each test sequence, it writes the rest. How many of its tokens can follow the
# two before them?

# %%
ids = x_test["token_ids"]
prompt = np.broadcast_to(np.arange(LENGTH) < 8, ids.shape)
written = small.generate(
    {"token_ids": ids, "padding_mask": prompt}, stop_token_ids=None
)
possible = followed(np.array(written["token_ids"]))[:, 6:] > 0
print(f"{100 * possible.mean():.1f} %; by chance, {100 * 4 / TOKENS:.0f} %")

# %% [markdown]
# ## Next
#
# - [A language model](../reproductions/language.md): the three methods and
#   more, with three seeds and tests of the differences.
# - `allocation="owl"` gives each layer a share by its outliers, and
#   `granularity="2:4"` keeps two of each four weights.
# - `granularity="residual_block"` removes whole blocks.
