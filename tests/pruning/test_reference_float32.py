"""Float32, in which users work, against the authors' float64.

Their code in float32 is off as well; the README lists by how much. Ours rounds
otherwise, so three times that is allowed.
"""

import pytest
import reference as ref

pytestmark = ref.MARKS


def authors_scores(case, name, mode):
    """Returns ours in the authors' scale (see `test_reference.py`)."""
    criterion, keys, factor, options = {
        "snip_milad": ("snip", "0", 1, {}),
        "grasp_alec": ("grasp", "_grasp", -4, {}),
        "prospr_full_M3_mom0": ("prospr", "0123", 1, {"signed": True}),
    }[name]
    ours = ref.objective(case, mode, keys)
    return ref.scaled(ref.dense_scores(ours, criterion, **options), factor)


@pytest.mark.parametrize(
    "case, name, mode, noise",
    [
        ("mlp_relu", "snip_milad", "eval", 3e-7),
        ("mlp_relu", "grasp_alec", "eval", 5e-7),
        ("mlp_relu", "prospr_full_M3_mom0", "train", 2e-7),
        # The README's 1e-6, were it not for an input of a ReLU 2.8e-8 from
        # zero, whose sign TensorFlow's convolutions in float32 change: plain
        # gradient tapes are off by 6.3e-5 too.
        ("resnet", "snip_milad", "eval", 6.3e-5),
    ],
)
def test_scores_are_off_by_the_noise_of_float32(case, name, mode, noise):
    theirs = ref.stored_scores(case, f"{name}.{mode}")
    assert (
        1e-9 < ref.error(authors_scores(case, name, mode), theirs) < 3 * noise
    )


@pytest.mark.parametrize("share", ref.SPARSITY)
@pytest.mark.parametrize("case", ["mlp_relu", "resnet"])
def test_snip_masks_are_those_of_float64(case, share):
    ours = ref.objective(case)
    scores, sparsity = ref.dense_scores(ours, "snip"), ref.SPARSITY[share]
    found = ref.masks_of(scores, ours, sparsity, count="floor_keep")
    theirs = ref.stored_masks(case, f"snip_milad.eval.{share}")
    assert ref.flips(found, theirs) == 0
