"""Learned topologies, and penalties that make weights small."""

from kprune.literature.row import Row

_SELECT = "tests/learned/test_select.py"
_GROWING = "tests/callbacks/test_growing.py"
_ZHOU = ("Zhou et al., 2019", "https://arxiv.org/abs/1905.01067")

ROWS = (
    Row(
        "supermask",
        'kprune.select(model, "supermask")',
        *_ZHOU,
        f"{_SELECT}::test_supermask_and_its_rescaling_by_hand",
    ),
    Row(
        "mask criteria and actions",
        'kprune.tickets.zhou_masks(initial, final, "large_final", 0.9)',
        *_ZHOU,
        "tests/tickets/test_mask_criteria.py::test_criterion",
    ),
    Row(
        "edge-popup",
        'kprune.select(model, "edge_popup", sparsity=0.5)',
        "Ramanujan et al., 2020",
        "https://arxiv.org/abs/1911.13299",
        f"{_SELECT}::test_edge_popup_by_hand",
        "sparsity is what is left out; the released code's rate is what stays",
    ),
    Row(
        "multi-prize tickets (biprop)",
        'kprune.select(model, "biprop", sparsity=0.5)',
        "Diffenderfer and Kailkhura, 2021",
        "https://arxiv.org/abs/2103.09377",
        f"{_SELECT}::test_biprop_by_hand",
        "binary weights (MPT-1/32), not activations; of one ranking over all "
        "weights, counts are taken once an epoch",
    ),
    Row(
        "SupSup",
        "kprune.learned.SupermaskStack(model)",
        "Wortsman et al., 2020",
        "https://arxiv.org/abs/2006.14769",
        "tests/learned/test_supsup.py::test_tasks_are_inferred_and_solved",
        "tasks are told apart at test time; not found without being named in "
        "training, and kept in no Hopfield network",
    ),
    Row(
        "approximate isometry",
        "kprune.kept_weights.isometry(model)",
        "Lee et al., 2020",
        "https://arxiv.org/abs/1906.06307",
        "tests/pruning/test_isometry.py::"
        "test_the_gradient_is_that_of_finite_differences",
        "a layer is done once its residual has not fallen for 100 steps, and "
        "keeps its best",
    ),
    Row(
        "Stable ResNet",
        "kprune.models.resnet50(stable=True)",
        "Hayou et al., 2021",
        "https://arxiv.org/abs/2002.08797",
        "tests/models/test_models_layers.py::"
        "test_stable_resnet_scales_by_the_number_of_blocks",
    ),
    Row(
        "GReg-1, GReg-2",
        'kprune.callbacks.GrowingRegularization("greg1", 0.9)',
        "Wang et al., 2021",
        "https://arxiv.org/abs/2012.09243",
        f"{_GROWING}::test_greg_1_against_steps_by_hand",
        "all layers grow to the end; the released code ends a layer's growth "
        "early where filters go",
    ),
    Row(
        "dual lottery tickets (DLTH)",
        'kprune.callbacks.GrowingRegularization("dlth", 0.9)',
        "Bai et al., 2022",
        "https://arxiv.org/abs/2203.04248",
        f"{_GROWING}::test_dlth_picks_at_random_in_cycles",
    ),
    Row(
        "PruneTrain",
        "kprune.callbacks.regularization.prune_train(model, train, epochs=30)",
        "Lym et al., 2019",
        "https://arxiv.org/abs/1901.09290",
        "tests/callbacks/test_prune_train.py::"
        "test_tied_channels_go_only_if_sparse_in_every_member",
        "batches do not grow as the model shrinks",
    ),
    Row(
        "L1 on the scales of batch normalization",
        "kprune.callbacks.regularization.slim(model, strength=1e-4)",
        "Liu et al., 2017",
        "https://arxiv.org/abs/1708.06519",
        "tests/callbacks/test_slimming.py::test_the_gradient_is_the_sign",
    ),
)
