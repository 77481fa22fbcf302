"""How weights are stored in LiteRT files: by hand, and in whole files."""

import keras
import numpy as np
import pytest
from keras import layers
from lifecycle import normal
from networks import sequential

import kprune
from kprune.deploy import runtimes
from kprune.deploy.exporting.litert import flatbuffer, forms
from kprune.deploy.exporting.litert.names import Names


def dense(matrix):
    """A model of one layer, with the kernel given."""
    inputs, outputs = matrix.shape
    return sequential(
        (inputs,),
        layers.Dense(outputs, name="a"),
        values=[matrix, np.ones(outputs)],
    )


def with_share(shape, share, seed=0, height=1):
    """A kernel of which blocks of some inputs are kept."""
    rng = np.random.default_rng(seed)
    rows = -(-shape[0] // height)
    kept = rng.random((rows, shape[1])) < share
    kept = kept.repeat(height, axis=0)[: shape[0]]
    return (rng.normal(size=shape) * kept).astype("float32")


# By hand.


def test_csr_of_a_matrix():
    found = forms.csr(np.array([[0, 5, 0], [0, 0, 0], [6, 0, 7.0]]))
    # Rows hold one, no and two entries; their columns are 1, 0 and 2.
    assert found.segments.tolist() == [0, 1, 1, 3]
    assert found.indices.tolist() == [1, 0, 2]
    assert found.values.tolist() == [5, 6, 7]


def test_csr_of_a_convolution_compresses_its_last_axis():
    array = np.zeros((2, 1, 1, 3))
    array[1, 0, 0, 2] = 9
    found = forms.csr(array)
    assert found.segments.tolist() == [0, 0, 1]
    assert found.indices.tolist() == [2]


def test_blocks_of_a_matrix():
    matrix = np.zeros((2, 8))
    matrix[0, 5], matrix[1, 0] = 1, 2
    found = forms.block(matrix)
    # Row 0 keeps its second block of four, row 1 its first one.
    assert found.segments.tolist() == [0, 1, 2]
    assert found.indices.tolist() == [1, 0]
    assert found.values.tolist() == [0, 1, 0, 0, 2, 0, 0, 0]


def test_of_nothing_one_entry_is_stored():
    for form in (forms.csr, forms.block):
        assert form(np.zeros((3, 8))).indices.tolist() == [0]


@pytest.mark.parametrize(
    "top, kind", [(255, "uint8"), (256, "uint16"), (65536, "int32")]
)
def test_the_narrowest_type_of_an_index(top, kind):
    assert forms.narrowed(np.array([0, top])).dtype == kind


@pytest.mark.parametrize(
    "inputs, share, height, stored",
    [
        (64, 0.10, 4, "block 1x4"),  # 90 % of the blocks are zero.
        (64, 0.20, 4, None),  # 80 %: size only.
        (64, 0.03, 1, "CSR"),  # 97 % zeros; 89 % of the blocks, mostly empty.
        (64, 0.10, 1, None),  # 90 %: 66 % of the blocks.
        (65, 0.10, 4, None),  # A row is not made of whole blocks.
        (65, 0.03, 4, "CSR"),
    ],
)
def test_which_kernel_is_worth_it(inputs, share, height, stored):
    form = forms.kernel_form(with_share((inputs, 200), share, 0, height).T)
    found = form and ("block 1x4" if form.is_block else "CSR")
    assert found == stored


# In a file.


def exported(model, path, **options):
    """Returns the result, the objects of the file, and its operators."""
    found = kprune.export(model, path, compact=False, **options)
    content = flatbuffer.read(path.read_bytes())
    codes = content.operatorCodes
    operators = [
        (flatbuffer.operator(content, op), codes[op.opcodeIndex].version)
        for op in content.subgraphs[0].operators
    ]
    return found, content, operators


@pytest.mark.parametrize("share, height", [(0.1, 4), (0.03, 1)])
def test_a_sparse_kernel_is_of_version_8_and_dense_ones_are_not(
    share, height, tmp_path
):
    model = sequential((64,), layers.Dense(96), layers.Dense(40))
    model.layers[0].kernel.assign(with_share((64, 96), share, 0, height))
    _, content, operators = exported(model, tmp_path / "m.tflite")
    versions = [v for name, v in operators if name == "FULLY_CONNECTED"]
    # Below 8, XNNPACK would take the operator and read its weights as dense.
    assert versions[0] == 8 and versions[1] < 8
    assert content.signatureDefs[0].signatureKey == b"serving_default"


@pytest.mark.parametrize("inputs, height", [(785, 4), (302, 4), (101, 1)])
@pytest.mark.parametrize("share", [0.1, 0.02, 0.0])
def test_widths_that_are_no_multiple_of_four(inputs, height, share, tmp_path):
    model = dense(with_share((inputs, 61), share, 1, height))
    assert exported(model, tmp_path / "m.tflite")[0].error < 1e-5


@pytest.mark.parametrize("share", [0.1, 0.05, 0.02])
def test_the_network_785_302_101_10(share, tmp_path):
    widths = 785, 302, 101, 10
    model = sequential((785,), *(layers.Dense(n) for n in widths[1:]))
    for i, layer in enumerate(model.layers):
        layer.kernel.assign(with_share(widths[i : i + 2], share, i, 4))
    for sparse in (True, False):
        found = kprune.export(model, tmp_path / "m.tflite", sparse=sparse)
        assert found.error < 1e-5


def test_convolutions_and_embeddings_are_made_dense_at_load(tmp_path):
    i = keras.Input((30,), dtype="int32")
    h = layers.Embedding(90, 24, name="e")(i)
    h = layers.Conv1D(32, 3, name="c")(h)
    model = keras.Model(i, layers.Dense(3, name="d")(layers.Flatten()(h)))
    model = kprune.prune(model, "random", 0.8, allocation="uniform")
    found, _, operators = exported(model, tmp_path / "m.tflite")
    stored = {row.weight: row.stored for row in found.rows}
    assert stored == dict.fromkeys(stored, "DENSIFY") and len(stored) == 3
    assert [name for name, _ in operators].count("DENSIFY") == 3
    assert all("size only" in row.why for row in found.rows)


def test_what_is_not_sparse_stays_dense(tmp_path):
    found, _, operators = exported(dense(normal(64, 90)), tmp_path / "m.tflite")
    assert [row.stored for row in found.rows] == ["dense"]
    assert [name for name, _ in operators] == ["FULLY_CONNECTED"]


def test_blocks_are_made_by_a_granularity(tmp_path):
    model = sequential((64,), layers.Dense(96, name="a"), seed=0)
    model = kprune.prune(
        model, "magnitude", 0.9, granularity=kprune.Block((4, 1))
    )
    found, _, _ = exported(model, tmp_path / "m.tflite")
    assert [row.stored for row in found.rows] == ["block 1x4"]
    plain = kprune.export(model, tmp_path / "m.tflite", sparse=False)
    assert plain.bytes > 5 * found.bytes


def test_a_model_is_compacted_only_where_that_helps(tmp_path):
    kernel = with_share((64, 96), 0.1, 0, 4)
    kernel[:, ::3] = 0  # A third of the units reads nothing.
    model = sequential((64,), layers.Dense(96, name="a"), layers.Dense(40))
    model.layers[0].kernel.assign(kernel)
    dense = kprune.export(model, tmp_path / "m.tflite")
    assert any("Compacted to" in note for note in dense.notes)
    whole = kprune.export(model, tmp_path / "m.tflite", compact=False)
    assert not whole.notes and dense.bytes < whole.bytes
    # Units that go one by one would break up the blocks of the layer behind.
    model.layers[1].kernel.assign(with_share((96, 40), 0.1, 1, 4))
    found = kprune.export(model, tmp_path / "m.tflite")
    assert any("Not compacted" in note for note in found.notes)
    assert {row.stored for row in found.rows} == {"block 1x4"}


def test_names_are_found_by_zeros_through_rounding_and_scaling():
    model = sequential(
        (4,), layers.Dense(3, name="a"), layers.Dense(4, name="b")
    )
    a, b = with_share((4, 3), 0.5, 1), with_share((3, 4), 0.5, 2)
    model.set_weights([a, np.ones(3), b, np.ones(4)])
    names = Names(model)
    rounded = np.where(np.abs(b.T) < np.abs(b).max(), 0, b.T * 3)
    assert names(rounded, "MatMul_7") == "b/kernel"
    assert names(a.T, "MatMul_8") == "a/kernel"
    assert names(a.T, "MatMul_9") == "MatMul_9"  # Each weight is there once.


def test_any_batch_runs(tmp_path):
    model = dense(with_share((64, 90), 0.1, 0, 4))
    exported(model, tmp_path / "m.tflite")
    runner = runtimes.open(tmp_path / "m.tflite")
    for count in (1, 7, 2):
        x = normal(count, 64)
        np.testing.assert_allclose(runner([x])[0], model(x), atol=1e-5)
