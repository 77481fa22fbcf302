"""Blocks are scored behind blocks that are pruned: as in a loop by hand."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import CE, MSE, conv_net, examples, sequential, two_replicas

import kprune
from kprune.pruning import matrices, obs_columns
from kprune.pruning.granularity.base import put_back
from kprune.scoring import blocks

IDS = np.random.default_rng(0).integers(1, 9, (10, 6))
IDS[:3, 4:] = 0


@keras.saving.register_keras_serializable("tests")
class Layer(layers.Layer):
    """A layer of a small transformer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True
        self.attend = layers.MultiHeadAttention(2, 4)
        self.norm = layers.LayerNormalization()
        self.up, self.down = layers.Dense(12), layers.Dense(8)

    def build(self, shape):
        self.attend.build(shape, shape)
        self.norm.build(shape)
        self.up.build(shape)
        self.down.build((*shape[:-1], 12))

    def call(self, x, padding_mask=None):
        x = self.norm(x + self.attend(x, x, attention_mask=padding_mask))
        return x + self.down(keras.ops.gelu(self.up(x)))


def graph(depth=3, between=lambda x: x):
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(9, 8, mask_zero=True, name="embed")(ids)
    for number in range(depth):
        x = between(Layer(name=f"layer_{number}")(x))
    return keras.Model(ids, layers.Dense(3, name="out")(x))


@keras.saving.register_keras_serializable("tests")
class Own(keras.Model):
    """A model of a class of its own, with a list of layers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.embed = layers.Embedding(9, 8)
        self.stack = [Layer() for _ in range(2)]
        self.out = layers.Dense(3)

    def call(self, given):
        x = self.embed(given["ids"])
        mask = given["padding_mask"]
        for layer in self.stack:
            x = layer(x, padding_mask=mask[:, None, :])
        return self.out(x)


def own():
    keras.utils.set_random_seed(0)
    model = Own()
    model(own_inputs())
    return model


def own_inputs():
    return {"ids": IDS, "padding_mask": IDS > 0}


def shared():
    """Returns a model that calls a layer twice, with another between."""
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 8, name="embed")(ids)
    twice = Layer(name="twice")
    x = Layer(name="first")(twice(x))
    return keras.Model(ids, layers.Dense(3, name="out")(twice(x)))


def scaled(x):
    return layers.Rescaling(0.5)(x)


# A model, its inputs, and how its weights go together, in order.
MODELS = {
    "graph": (graph, IDS, ["embed", "layer_0", "layer_1", "layer_2", "out"]),
    "between": (
        lambda: graph(2, scaled),
        IDS,
        ["embed", "layer_0", "layer_1", "out"],
    ),
    "own": (own, own_inputs(), ["embed", "stack/0", "stack/1", "out"]),
    "shared": (shared, IDS, ["embed", "twice", "first", "out"]),
}


def labelled(x):
    return x, np.zeros((len(IDS), IDS.shape[1], 3), "float32")


def objective(model, x, **options):
    return kprune.Objective(model, labelled(x), MSE, **options)


def best_half(scores):
    """Returns the best half of each column."""
    ranks = np.argsort(np.argsort(-scores, axis=0, kind="stable"), axis=0)
    return ranks < len(scores) / 2


def wanda(matrix, gram):
    norms = np.sqrt(gram if gram.ndim == 1 else np.diag(gram))
    mask = best_half(np.abs(matrix) * norms[:, None])
    return mask, np.where(mask, matrix, 0)


def sparsegpt(matrix, gram):
    upper = obs_columns.factor(gram, 0.01, "w")
    rng = np.random.default_rng(0)
    alive = np.ones(matrix.shape, bool)
    decide = obs_columns.by_count(alive, matrix.size // 2, 128, rng)
    _, mask = obs_columns.swept(matrix, upper, decide, 128)
    return mask, obs_columns.moved(matrix, mask, gram, upper)[0]


def by_hand(made, prune_one, order):
    """Returns masks and weights: those of each block from what it reads once
    those before it have theirs."""
    point, masks = dict(made.weights), {}
    for block in order:
        names = [name for name in point if name.startswith(f"{block}/")]
        grams = made.inputs(point, gram=True, names=names)
        for name in names:
            layout = made.layouts[name]
            mask, new = prune_one(matrices.of(point[name], layout), grams[name])
            masks[name] = put_back(mask, layout)
            point[name] = put_back(new, layout).astype("float32")
    return masks, point


def ria(matrix, gram):
    norms = np.sqrt(gram if gram.ndim == 1 else np.diag(gram))
    sizes = np.abs(matrix)
    shares = sizes / sizes.sum(0) + sizes / sizes.sum(1, keepdims=True)
    scores = shares * np.sqrt(norms)[:, None]
    # Of a whole tensor, not of each output.
    mask = best_half(scores.reshape(-1, 1)).reshape(matrix.shape)
    return mask, np.where(mask, matrix, 0)


PRUNE_ONE = {"wanda": wanda, "ria": ria, "sparsegpt": sparsegpt}


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask, err_msg=name)


@pytest.mark.parametrize("kind", MODELS)
def test_it_equals_a_loop_over_blocks(kind):
    make, x, order = MODELS[kind]
    made = objective(make(), x, exclude="embed")
    for method, prune_one in PRUNE_ONE.items():
        masks, _ = by_hand(made, prune_one, order[1:])
        pruner = kprune.recipes.get(method, sequential=True)
        found = pruner.masks(made, 0.5)
        assert_equal(found, masks)
        at_once = kprune.recipes.get(method).masks(made, 0.5)
        assert any((at_once[name] != found[name]).any() for name in found)


def test_kept_weights_follow_block_by_block():
    model = graph(2)
    made = objective(model, IDS, exclude="embed")
    order = ["layer_0", "layer_1", "out"]
    masks, point = by_hand(made, sparsegpt, order)
    given = {"data": labelled(IDS), "loss": MSE, "exclude": "embed"}
    pruned = kprune.prune(model, "sparsegpt", 0.5, sequential=True, **given)
    found = kprune.get_masks(pruned)
    assert_equal({name: found[name] for name in masks}, masks)
    for weight in kprune.masking.weights.find(pruned):
        if weight.name in point:
            expected, found = point[weight.name], weight.variable.numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_masks_take_no_second_copy_of_the_weights():
    made = objective(graph(2), IDS, exclude="embed")
    reads = []
    for by_masks in (True, False):
        walk = made.blocks(made.weights)
        for part in walk:
            reads.append(part.inputs(part.weights))
            masks = {n: best_half(np.abs(w)) for n, w in part.weights.items()}
            if by_masks:
                part.prune(masks)
            else:
                part.settle(kprune.masks.apply(masks, part.weights))
        if by_masks:
            assert all(walk.point[n] is w for n, w in made.weights.items())
    half = len(reads) // 2
    assert half == 3
    for one, other in zip(reads[:half], reads[half:], strict=True):
        for name, moments in one.items():
            np.testing.assert_allclose(moments, other[name], rtol=1e-6)


def test_blocks_are_called_by_themselves(monkeypatch):
    # The network runs to the first block for each batch, and behind the last.
    runs = []
    made = objective(graph(3), IDS, scoring={"batch_size": 5})
    assert made.batch_count == 2
    network = made.model
    call = type(network).call
    monkeypatch.setattr(
        type(network),
        "call",
        lambda *args, **kwargs: runs.append(1) or call(*args, **kwargs),
    )
    kprune.recipes.get("wanda", sequential=True).masks(made, 0.5)
    # A survey; two batches for the embedding, the first block and the last.
    assert len(runs) == 1 + 3 * 2


def test_padding_and_masks_are_handed_on():
    # Implicit masks of Keras, and arguments, of blocks that are called alone.
    for make, x in ((lambda: graph(2), IDS), (own, own_inputs())):
        made = objective(make(), x)
        walked = {}
        for part in made.blocks(made.weights):
            walked |= part.inputs(part.weights)
        for name, moment in made.inputs(made.weights).items():
            np.testing.assert_allclose(walked[name], moment, rtol=1e-4)


def test_counts_are_of_the_whole_model():
    made = objective(graph(2), IDS)
    grain = {"granularity": kprune.Block((2, 2))}
    for options in ({"allocation": "global"}, {"allocation": "owl"}, grain):
        pruner = kprune.recipes.get("wanda", sequential=True, **options)
        found = pruner.masks(made, 0.5)
        kept = sum(int(mask.sum()) for mask in found.values())
        size = sum(mask.size for mask in found.values())
        assert kept == kprune.masks.count_kept(size, 0.5)
    pruner = kprune.recipes.get("wanda", sequential=True, granularity="2:4")
    made = objective(made.model, IDS, exclude=["embed"])
    found = pruner.masks(made, 0.5)["layer_1/up/kernel"]
    assert (found.reshape(2, 4, 12).sum(axis=1) == 2).all()


def test_where_no_blocks_are_found_it_is_said():
    model = conv_net()
    given = {"data": examples(8, 6, 6, 2), "loss": CE}
    with pytest.warns(UserWarning, match="No blocks are found"):
        found = kprune.prune(model, "wanda", 0.5, sequential=True, **given)
    at_once = kprune.prune(model, "wanda", 0.5, **given)
    for name, mask in kprune.get_masks(found).items():
        np.testing.assert_array_equal(mask, kprune.get_masks(at_once)[name])


def test_two_replicas_find_the_same():
    with two_replicas().scope():
        mirrored = graph(2)
    pruner = kprune.recipes.get("wanda", sequential=True)
    found, expected = (
        pruner.masks(objective(model, IDS), 0.5)
        for model in (mirrored, graph(2))
    )
    for name, mask in expected.items():  # Sums of two shares are rounded.
        assert found[name].sum() == mask.sum()
        assert (found[name] != mask).mean() < 0.02, name


def test_what_has_no_blocks_to_go_by_is_refused():
    get = kprune.recipes.get
    for method, options in {
        "magnitude": {},
        "snip": {},
        "wanda": {"granularity": "channel"},
    }.items():
        with pytest.raises(ValueError, match="sequential"):
            get(method, sequential=True, **options)
    with pytest.raises(ValueError, match=r"sequential.*'no'"):
        get("wanda", sequential="no")
    made = objective(graph(1), IDS)
    pruner = get("wanda", sequential=True)
    with pytest.raises(ValueError, match=r"target.*block by block"):
        pruner.step(made, made.masks, None, 1, target="flops")


def test_which_layers_are_blocks():
    names = [layer.name for layer in blocks.find(graph(3))]
    assert names == ["layer_0", "layer_1", "layer_2"]
    model = own()
    assert blocks.find(model) == list(model.stack)
    # A wrapped model has the same.
    assert len(blocks.find(kprune.wrap(graph(2)))) == 2
    assert blocks.find(sequential((4,), layers.Dense(3), layers.Dense(2))) == []
