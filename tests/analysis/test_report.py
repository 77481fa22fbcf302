"""What is kept, what is dead, what was skipped, and how it is shown."""

import json

import keras
import numpy as np
import pytest
from lifecycle import unchanged
from networks import sequential

import kprune
from kprune.analysis.report import report, summary

layers = keras.layers


def one_layer(layer, shape):
    return kprune.wrap(sequential(shape, layer))


def mlp():
    """6 -> 4 -> 3 -> 2, biases only in the first layer."""
    a = layers.Dense(4, activation="relu", name="a")
    b, c = (
        layers.Dense(n, use_bias=False, name=name)
        for n, name in ((3, "b"), (2, "c"))
    )
    return sequential((6,), a, b, c, seed=0, name="mlp")


class Unknown(layers.Layer):
    """A layer whose weight kprune cannot place."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 2), name="w")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.w)


def everything():
    """A model with all that has state: batch norm, dropout, recurrence."""
    first = layers.Conv1D(4, 2, kernel_regularizer="l2")
    noise = layers.BatchNormalization(), layers.GaussianNoise(0.1)
    rnn = layers.GRU(3, dropout=0.5, recurrent_dropout=0.5)
    last = layers.Dropout(0.5), layers.Dense(2)
    return sequential((5, 3), first, *noise, rnn, *last)


def test_kept_and_dead_units():
    model = one_layer(layers.Dense(4, name="fc"), (3,))
    mask = [[1, 0, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
    kprune.set_masks(model, {"fc/kernel": mask})
    measured = report(model)
    (row,) = measured.rows
    assert (row.name, row.shape) == ("fc/kernel", (3, 4))
    # 3 + 2 + 0 of 12; the second column and the third row are empty.
    assert (row.kept, row.total, row.sparsity) == (5, 12, 7 / 12)
    assert (row.dead_outputs, row.output_units) == (1, 4)
    assert (row.dead_inputs, row.input_units) == (1, 3)
    assert (row.multiply_adds, row.sparse_multiply_adds) == (12, 5)
    assert (measured.dead_outputs, measured.output_units) == (1, 4)


# Of each kernel the entries at `index` are pruned. Units are counted as
# (dead outputs, outputs, dead inputs, inputs).
@pytest.mark.parametrize(
    "layer, shape, index, units",
    [
        # (2, 2, 3, 4): filter 1 is gone.
        (layers.Conv2D(4, 2), (5, 5, 3), np.s_[..., 1], (1, 4, 0, 3)),
        # Input channels 0 and 2 are gone; part of a filter does not count.
        (layers.Conv2D(4, 2), (5, 5, 3), np.s_[:, :, ::2], (0, 4, 2, 3)),
        # Transposed: (2, 2, outputs 4, inputs 3).
        (layers.Conv2DTranspose(4, 2), (5, 5, 3), np.s_[:, :, 1], (1, 4, 0, 3)),
        # Depthwise: (2, 2, inputs 3, multiplier 2), 6 outputs. Without input
        # 1 its two outputs are dead.
        (
            layers.DepthwiseConv2D(2, depth_multiplier=2),
            (5, 5, 3),
            np.s_[:, :, 1],
            (2, 6, 1, 3),
        ),
        # (inputs 3, 3 gates of 2 units): unit 0 is columns 0, 2 and 4.
        (layers.GRU(2), (5, 3), np.s_[:, ::2], (1, 2, 0, 3)),
        # With one gate left it lives.
        (layers.GRU(2), (5, 3), np.s_[:, :4:2], (0, 2, 0, 3)),
        # (inputs 3, heads 2, size 5): 10 outputs, of which a head is 5.
        (
            layers.EinsumDense("ab,bcd->acd", (2, 5)),
            (3,),
            np.s_[:, 1],
            (5, 10, 0, 3),
        ),
        # (vocabulary 7, 4).
        (layers.Embedding(7, 4), (5,), np.s_[:2], (0, 4, 2, 7)),
    ],
)
def test_dead_units_follow_the_layout(layer, shape, index, units):
    model = one_layer(layer, shape)
    name, mask = next(iter(kprune.get_masks(model).items()))
    mask[index] = False
    kprune.set_masks(model, {name: mask})
    row = report(model).rows[0]
    assert (row.name, row.kept) == (name, mask.sum())
    found = row.dead_outputs, row.output_units, row.dead_inputs, row.input_units
    assert found == units


def test_channels_report_units_and_weights():
    options = {"granularity": "channel", "allocation": "uniform"}
    measured = report(kprune.prune(mlp(), "magnitude", 0.5, **options))
    a, b, c = measured.rows
    # Half of 4 and, rounded to even, 2 of 3 units of a and b stay; what they
    # give is not read: 6 x 2, 2 x 2 and 2 x 2 of 24, 12 and 6 weights stay.
    assert (a.dead_outputs, b.dead_outputs, c.dead_outputs) == (2, 1, 0)
    assert (a.dead_inputs, b.dead_inputs, c.dead_inputs) == (0, 2, 1)
    assert (measured.dead_outputs, measured.output_units) == (3, 9)
    assert (a.kept, b.kept, c.kept) == (12, 4, 4)
    assert measured.sparsity == 22 / 42


def test_totals_count_candidates_and_the_whole_model():
    model = kprune.prune(mlp(), "magnitude", 0.5, exclude="b")
    measured = report(model)
    # a: 6 x 4 = 24 and c: 3 x 2 = 6 are candidates, of which half stay; b has
    # 12 more, and there are 4 biases: zero, and yet not removed.
    assert (measured.kept, measured.total) == (15, 30)
    assert measured.sparsity == 0.5
    assert (measured.model_kept, measured.model_total) == (31, 46)
    assert measured.model_sparsity == 15 / 46
    assert [row.skipped for row in measured.rows] == [None, "excluded", None]
    assert (measured.multiply_adds, measured.sparse_multiply_adds) == (42, 27)


def test_whole_model_counts_what_keras_counts():
    model = everything()
    # Gamma, beta and the moving statistics too, but no mask and no seed.
    for one in (model, kprune.wrap(model)):
        found = report(one, multiply_adds=False, paths=False)
        assert found.model_total == model.count_params()


def test_frozen_weights_are_skipped_those_frozen_after_pruning_count():
    model = mlp()
    model.layers[0].trainable = False
    pruned = kprune.prune(model, "magnitude", 0.5)
    pruned.trainable = False
    measured = report(pruned)
    assert [row.skipped for row in measured.rows] == ["frozen", None, None]
    assert (measured.total, measured.kept) == (18, 9)


def test_unknown_weight_is_listed():
    model = sequential((3,), layers.Dense(4), Unknown(name="custom"))
    measured = report(kprune.wrap(model))
    row = measured.rows[1]
    assert row.name == "custom/w"
    assert row.skipped.startswith("unknown weight 'w' of layer class Unknown")
    assert row.multiply_adds is None
    # Totals go without it, and say so.
    assert (measured.total, measured.multiply_adds) == (12, 12)
    assert "12 of 12 (1.0000), not counting 1 marked n/a" in lines(model)[-1]


def test_weights_that_do_not_fit_a_pattern_are_listed():
    measured = report(kprune.prune(mlp(), "magnitude", granularity="2:4"))
    # 6 and 3 inputs are no multiples of 4, the 4 inputs of b are.
    reason = "{} inputs, not a multiple of 4 for N:M"
    reasons = [row.skipped for row in measured.rows]
    assert reasons == [reason.format(6), None, reason.format(3)]
    assert (measured.total, measured.sparsity) == (12, 0.5)


def test_plain_model_counts_what_is_not_zero():
    model = mlp()
    model.layers[1].kernel.assign(np.eye(4, 3))
    measured = report(model)
    # 3 of 12 are not zero; the last row is.
    assert (measured.rows[1].kept, measured.rows[1].dead_inputs) == (3, 1)
    assert (measured.kept, measured.total) == (33, 42)


def test_masks_count_and_not_values():
    model = kprune.wrap(mlp())
    for weight in model.trainable_weights:
        weight.assign(keras.ops.zeros_like(weight))
    assert report(model).sparsity == 0


def test_stripped_model_counts_the_same():
    pruned = kprune.prune(mlp(), "magnitude", 0.9)
    before, after = report(pruned), report(kprune.strip(pruned))
    assert [r.kept for r in before.rows] == [r.kept for r in after.rows]
    assert after.sparsity == before.sparsity == 0.9047619047619048  # 38 / 42.
    assert after.model_total == before.model_total


def test_model_without_candidates():
    model = mlp()
    model.trainable = False
    measured = report(model)
    assert (measured.sparsity, measured.total) == (0.0, 0)
    assert measured.multiply_adds == 42


def test_report_leaves_the_model_as_it_was():
    model = kprune.prune(everything(), "magnitude", 0.5)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model(np.ones((4, 5, 3), "float32"), training=True)  # Draws from seeds.
    attributes = [set(vars(layer)) for layer in model.layers]
    with unchanged(model):
        assert report(model).multiply_adds > 0
    assert [set(vars(layer)) for layer in model.layers] == attributes


def test_json_holds_everything(tmp_path):
    measured = report(kprune.prune(mlp(), "magnitude", 0.5, exclude="c"))
    measured.save(tmp_path / "report.json")
    loaded = json.loads((tmp_path / "report.json").read_text())
    assert loaded == json.loads(measured.to_json()) == measured.to_dict()
    assert loaded["sparsity"] == 0.5 and loaded["model_total"] == 46
    assert loaded["rows"][2] == {
        **{"name": "c/kernel", "shape": [3, 2], "skipped": "excluded"},
        **{"kept": 6, "total": 6, "effective_kept": 6, "sparsity": 0.0},
        **{"output_units": 2, "dead_outputs": 0},
        **{"input_units": 3, "dead_inputs": 0},
        **{"multiply_adds": 6, "sparse_multiply_adds": 6},
        **{"effective_outputs": 2, "kernels": None, "effective_kernels": None},
        **{"overlap": None, "saliency": None},
    }


def test_json_holds_the_diagnosis():
    model = kprune.wrap(mlp())
    kprune.set_masks(model, {"c/kernel": np.zeros((3, 2), bool)})
    data = np.ones((4, 6)), np.ones((4, 2))
    measured = report(model, against=model, data=data, loss="mse")
    loaded = json.loads(measured.to_json())
    # Nothing flows through c, so nothing is effective and no gradient comes.
    assert loaded["collapsed"] == ["c/kernel"]
    assert (loaded["effective_kept"], loaded["effective_sparsity"]) == (0, 1)
    assert (loaded["overlap"], loaded["saliency"]) == (1.0, 0.0)
    assert loaded["gradient_norm"] == 0.0
    assert loaded["unfollowed"] is None
    for row in loaded["rows"]:
        found = [row[n] for n in ("effective_kept", "overlap", "saliency")]
        assert found == [0, 1.0, 0.0]
    assert report(model, paths=False).to_dict()["unfollowed"] == "not asked for"


def test_report_says_what_it_is():
    measured = report(kprune.prune(mlp(), "magnitude", 0.5, exclude="b"))
    assert repr(measured) == (
        "<Report of 'mlp': sparsity 0.5000 of prunable weights, 0.3261 of "
        "the whole model>"
    )


def lines(model, **options):
    printed = []
    summary(model, print_fn=printed.append, **options)
    (text,) = printed
    return text.splitlines()


def test_summary():
    model = kprune.wrap(mlp())
    masks = kprune.get_masks(model)
    masks["a/kernel"][:, 1:] = False
    masks["b/kernel"][0, 0] = False
    kprune.set_masks(model, masks)
    # 24 - 18, 12 - 1 and 6: 23 of 42, and with 4 biases 27 of 46. Of a's units
    # only 0 has inputs, which leads to units 1 and 2 of b, and to all of c's.
    assert (
        "\n".join(lines(model))
        == """\
Model: "mlp"
Weight    Shape  Kept  On path  Sparsity  Dead in  Dead out  Mult-adds
----------------------------------------------------------------------
a/kernel  6x4       6        6    0.7500      0/6       3/4       6/24
b/kernel  4x3      11        2    0.0833      0/4       0/3      11/12
c/kernel  3x2       6        4    0.0000      0/3       0/2          6
----------------------------------------------------------------------
Sparsity 0.4524 of prunable weights (23 of 42 kept),
         0.7143 effective (12 kept on a path from input to output),
         0.4130 of the whole model (27 of 46 parameters kept).
Output units without any weight left: 3 of 9 (0.3333).
On a path from input to output: 5 of 9 units; 24 paths.
Multiply-adds per example: 23 of 42 (0.5476)."""
    )


def test_summary_of_a_collapse_and_of_comparisons():
    model = kprune.wrap(mlp())
    masks = {n: np.zeros_like(m) for n, m in kprune.get_masks(model).items()}
    masks["b/kernel"][0] = True
    kprune.set_masks(model, masks)
    other = {name: np.ones_like(mask) for name, mask in masks.items()}
    data = np.ones((4, 6)), np.ones((4, 2))
    printed = lines(model, against=other, data=data, loss="mse")
    assert printed[1].endswith("  Mult-adds  Overlap  Saliency")
    assert printed[4].split()[-2:] == ["0.2500", "0.0000"]
    assert printed[7:10] == [
        "Layer collapse: 2 of 3 weights keep nothing: a/kernel, c/kernel.",
        "Sparsity 0.9286 of prunable weights (3 of 42 kept),",
        "         1.0000 effective (0 kept on a path from input to output),",
    ]
    # 3 of b, of all 42.
    assert printed[-2:] == [
        "Mask overlap: 0.0714 of what either mask keeps, both keep.",
        "Saliency kept: 0, with a gradient of norm 0.",
    ]


def test_summary_without_paths():
    class Odd(layers.Layer):
        def call(self, inputs):
            return 2.0 * inputs

    model = sequential((3,), layers.Dense(2), Odd())
    assert "On path" not in lines(model)[1]
    why = "no paths are known through the operation Mul in layer 'odd' of class"
    assert f"Effective sparsity: n/a ({why} Odd)." in lines(model)
    printed = lines(model, paths=False)
    assert "Effective sparsity: n/a (not asked for)." in printed


def test_summary_of_skipped_weights():
    model = mlp()
    model.layers[0].trainable = False
    model.layers[2].kernel.assign([[1, 2], [3, 4], [5, 6]])
    model = kprune.prune(model, "magnitude", 0.5, exclude="b")
    # 4, 5 and 6 stay: nothing of the first row.
    assert (
        "\n".join(lines(model)[1:6])
        == """\
Weight    Shape  Kept  On path  Sparsity  Dead in  Dead out  Mult-adds  \
Not pruned
----------------------------------------------------------------------------\
------
a/kernel  6x4      24       24                                      24  frozen
b/kernel  4x3      12        8                                      12  \
excluded
c/kernel  3x2       3        3    0.5000      1/3       0/2        3/6"""
    )
    left_out = "Not counted as prunable: 2 skipped, with 36 entries."
    assert left_out in lines(model)


def test_summary_folds_long_names_and_reasons():
    inner = layers.Dense(8, name="a_layer_with_a_very_long_name_of_its_own")
    block = sequential((1000,), inner, name="a_block_with_a_name")
    model = sequential((1000,), block, Unknown(name="custom"))
    folded = lines(model, line_length=80)
    # Names and reasons keep 16 characters, where the numbers leave less.
    assert folded[3].startswith("a_block_with_a_n  1000x8  8,000")
    assert folded[3].endswith("  8,000")
    assert folded[9].endswith("  n/a  unknown weight")
    folded = lines(model, line_length=120)
    assert max(map(len, folded[:-5])) == 120
    assert folded[3].startswith("a_block_with_a_name/  ")
    assert "(see kprune.register_layer)" in " ".join(" ".join(folded).split())


def test_summary_without_multiply_adds():
    printed = lines(mlp(), multiply_adds=False)
    assert "Mult-adds" not in printed[1]
    assert printed[-1] == "Multiply-adds per example: n/a (not asked for)."


def test_summary_goes_to_the_terminal_or_the_log(capsys):
    summary(mlp())
    assert capsys.readouterr().out.startswith('Model: "mlp"\n')
    keras.config.disable_interactive_logging()
    try:
        summary(mlp())
    finally:
        keras.config.enable_interactive_logging()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "model, message",
    [
        (None, "Expected `model` to be"),
        (layers.Dense(3), "Expected `model` to be"),
        (keras.Sequential([layers.Dense(3)]), "is not built"),
    ],
)
def test_not_a_model_or_not_built(model, message):
    with pytest.raises(ValueError, match=message):
        report(model)


def zeroed(model, share=0.5):
    """Zeroes a share of each kernel by rank, without a mask."""
    return kprune.strip(kprune.prune(model, "magnitude", share))


@pytest.mark.parametrize(
    "learn",
    [
        lambda model: kprune.learned.soft_threshold(model, initial=-1.0),
        lambda model: kprune.select(model, "edge_popup", 0.75),
        lambda model: kprune.select(model, "biprop", 0.75),
    ],
    ids=["soft_threshold", "edge_popup", "biprop"],
)
def test_what_a_model_computes_with_counts_not_what_it_stores(learn):
    learned = learn(mlp())
    found = report(learned)
    zeros = kprune.learned.zeros(learned)
    assert {r.name: r.total - r.kept for r in found.rows} == zeros
    assert found.sparsity == kprune.learned.sparsity(learned) > 0.1
    assert found.unfollowed is None and found.model == "mlp"


def test_what_lora_adds_counts():
    model = zeroed(mlp())
    layer = model.get_layer("a")
    assert report(model).rows[0].kept < layer.kernel.shape[0] * 4
    layer.enable_lora(1)
    layer.lora_kernel_b.assign(np.ones((1, 4)))  # So that A B has no zero.
    first, *own = report(model).rows[:3]
    assert first.skipped == "LoRA adds to it" and first.kept == 24
    assert {row.skipped for row in own} == {"belongs to LoRA"}


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have")
def test_zeros_of_quantized_weights_count_where_they_are_seen(mode):
    model = zeroed(mlp())
    kept = [row.kept for row in report(model).rows]
    model.quantize(mode)
    rows = report(model).rows
    assert [row.name for row in rows] == ["a/kernel", "b/kernel", "c/kernel"]
    if mode == "int8":
        assert [row.kept for row in rows] == kept
        assert {row.skipped for row in rows} == {"stored as int8"}
    else:
        assert all(row.kept == row.total for row in rows)
        assert all("packed: zeros are not seen" in row.skipped for row in rows)
        assert {row.multiply_adds for row in rows} == {None}
