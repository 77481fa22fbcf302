"""Methods that prune before training, or whenever `prune` is called."""

from kprune.literature.row import Row

_FORCE = ("de Jorge et al., 2021", "https://arxiv.org/abs/2006.09081")
_OSSUM = ("OSSuM, submitted to ICLR 2022", "")
_FINITE = "tests/pruning/test_finite_differences.py"

ROWS = (
    Row(
        "random",
        'kprune.prune(model, "random", 0.9, allocation="erk")',
        "baseline",
        "",
        "tests/pruning/test_criteria.py::"
        "test_random_scores_depend_on_seed_and_name_alone",
    ),
    Row(
        "magnitude",
        'kprune.prune(model, "magnitude", 0.9)',
        "Han et al., 2015",
        "https://arxiv.org/abs/1506.02626",
        "tests/pruning/test_criteria.py::test_magnitude_is_the_absolute_value",
        "the whole model is ranked, not each layer",
    ),
    Row(
        "skeletonization",
        'kprune.prune(model, "skeletonization", 0.9, data=data)',
        "Mozer and Smolensky, 1989",
        "https://proceedings.neurips.cc/paper/1988/hash/"
        "07e1cd7dca89a1678042477183b7ac3f-Abstract.html",
        f"{_FINITE}::"
        "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
        "the training loss, where the paper scores by a linear one; of single "
        "weights the survey's form, of channels the paper's gate",
    ),
    Row(
        "OBD",
        'kprune.prune(model, "obd", 0.9, data=data)',
        "LeCun et al., 1990",
        "https://proceedings.neurips.cc/paper/1989/hash/"
        "6c9882bbac1c7093bd25041881277658-Abstract.html",
        f"{_FINITE}::test_obd_is_half_the_second_change_of_the_loss",
        "the diagonal is estimated, by Hutchinson's draws or the empirical "
        "Fisher matrix; one round",
    ),
    Row(
        "OBS",
        'kprune.prune(model, "obs", 0.5, data=data)',
        "Hassibi and Stork, 1993",
        "https://proceedings.neurips.cc/paper/1992/hash/"
        "303ed4c69846ab36c2904d3ba8573050-Abstract.html",
        "tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
        "it scores, and does not move the weights that stay; small networks",
    ),
    Row(
        "Taylor",
        'kprune.prune(model, "taylor", 0.9, data=data)',
        "Molchanov et al., 2019",
        "https://arxiv.org/abs/1906.10771",
        f"{_FINITE}::"
        "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
        "one round on a network as it is; the paper prunes as it fine-tunes",
    ),
    Row(
        "SNIP",
        'kprune.prune(model, "snip", 0.9, data=data, batches=1)',
        "Lee et al., 2019",
        "https://arxiv.org/abs/1810.02340",
        f"{_FINITE}::"
        "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
    ),
    Row(
        "SNIP-MB",
        'kprune.prune(model, "snip", 0.9, data=data)',
        *_FORCE,
        "tests/pruning/test_criteria.py::"
        "test_the_mean_of_what_batches_give_is_not_that_of_their_mean",
    ),
    Row(
        "GraSP",
        'kprune.prune(model, "grasp", 0.9, data=data)',
        "Wang et al., 2020",
        "https://arxiv.org/abs/2002.07376",
        f"{_FINITE}::test_grasp_is_half_the_change_of_the_squared_gradient",
    ),
    Row(
        "GraSP-It",
        'kprune.prune(model, "grasp_it", 0.9, data=data)',
        *_FORCE,
        "tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
    ),
    Row(
        "SynFlow",
        'kprune.prune(model, "synflow", 0.9)',
        "Tanaka et al., 2020",
        "https://arxiv.org/abs/2006.05467",
        "tests/pruning/test_criteria.py::test_synflow_by_hand_and_its_conservation",
    ),
    Row(
        "Iter-SNIP",
        'kprune.prune(model, "iter_snip", 0.99, data=data, rounds=60)',
        *_FORCE,
        "tests/pruning/test_recipes.py::test_force_revives_and_iter_snip_does_not",
    ),
    Row(
        "FORCE",
        'kprune.prune(model, "force", 0.99, data=data, rounds=60)',
        *_FORCE,
        "tests/pruning/test_recipes.py::test_force_revives_and_iter_snip_does_not",
    ),
    Row(
        "ProsPr",
        'kprune.prune(model, "prospr", 0.95, data=data)',
        "Alizadeh et al., 2022",
        "https://arxiv.org/abs/2202.08132",
        f"{_FINITE}::test_prospr_is_the_change_of_the_loss_after_the_steps",
        "the paper names no inner learning rate: 0.1, as its code has",
    ),
    Row(
        "ProsPr, first order",
        'kprune.prune(model, "prospr", 0.95, data=data, first_order=True)',
        "Alizadeh et al., 2022",
        "https://arxiv.org/abs/2202.08132",
        f"{_FINITE}::"
        "test_first_order_prospr_is_the_weight_times_the_last_gradient",
    ),
    Row(
        "ProsPr, structured",
        'kprune.prune(model, "prospr", 0.8, data=data, granularity="channel")',
        "Alizadeh et al., 2022",
        "https://arxiv.org/abs/2202.08132",
        "tests/pruning/test_prospr.py::"
        "test_structured_prospr_ranks_channels_by_the_sum_with_its_sign",
        "what reads a channel is masked too; channels that are added go "
        "together",
    ),
    Row(
        "3SP",
        'kprune.prune(model, "3sp", target={"flops": 0.5}, data=data)',
        "van Amersfoort et al., 2020",
        "https://arxiv.org/abs/2007.00389",
        "tests/pruning/test_structured_methods.py::"
        "test_3sp_divides_a_gates_gradient_by_the_flops_that_go",
        "after what others write of it; the gate is behind batch "
        "normalization and activation, where its gradient is not zero",
    ),
    Row(
        "network slimming",
        'kprune.prune(model, "bn_gamma", 0.5)',
        "Liu et al., 2017",
        "https://arxiv.org/abs/1708.06519",
        "tests/pruning/test_structured_methods.py::"
        "test_bn_gamma_keeps_the_largest_gammas",
        "channels that are added have the mean of their gammas",
    ),
    Row(
        "OSSuM",
        'kprune.prune(model, "ossum", 0.9, data=data)',
        *_OSSUM,
        "tests/pruning/test_ossum.py::test_ossum_is_the_double_loop",
    ),
    Row(
        "Linear OSSuM",
        'kprune.prune(model, "linear_ossum", 0.9, data=data)',
        *_OSSUM,
        "tests/pruning/test_ossum.py::test_linear_and_log_are_the_double_loop",
        "equal sums of ranks go by the plain score, then by the seed",
    ),
    Row(
        "Log OSSuM",
        'kprune.prune(model, "log_ossum", 0.9, data=data)',
        *_OSSUM,
        "tests/pruning/test_ossum.py::test_linear_and_log_are_the_double_loop",
        "as Linear OSSuM",
    ),
    Row(
        "OSSuM + Norm",
        'kprune.prune(model, "ossum_norm", 0.5, data=data)',
        *_OSSUM,
        "tests/pruning/test_neuron_recipes.py::"
        "test_norm_goes_first_and_ossum_sees_what_is_left",
        "the norm is L2, of what a neuron reads, and goes first; so too "
        "`linear_ossum_norm` and `log_ossum_norm`",
    ),
    Row(
        "OSSuM + PAB",
        "kprune.prune_and_build(widths=(100, 100), build=1000, data=data, "
        "classes=10)",
        *_OSSUM,
        "tests/pruning/test_prune_and_build.py::test_it_keeps_the_best_of_each_layer",
        "the loop runs over all hidden layers, one more than is printed",
    ),
    Row(
        "gradient supermask on neurons",
        "kprune.learned.neuron_supermask(model, data, loss, sparsity=0.9)",
        *_OSSUM,
        "tests/learned/test_learned_gates.py::test_one_step_by_hand",
        "first gates are U(0, 1), momentum 0.9 and batches of 128, which the "
        "paper leaves open",
    ),
    Row(
        "norm of neurons",
        'kprune.prune(model, "neuron_norm", 0.5)',
        "Hagiwara, 1993",
        "",
        "tests/pruning/test_neuron_recipes.py::"
        "test_norm_is_of_what_a_neuron_reads_without_its_bias",
    ),
    Row(
        "random neurons",
        'kprune.prune(model, "neuron_random", 0.5)',
        "baseline",
        "",
        "tests/pruning/test_neuron_recipes.py::test_random_neurons_are_others_by_seed",
    ),
    Row(
        "coreset",
        "kprune.kept_weights.coreset(model, 0.5, data=data)",
        "Mussay et al., 2019",
        "https://arxiv.org/abs/1907.04018",
        "tests/pruning/test_coreset.py::test_weights_by_hand_and_on_the_average",
        "biases stay with their neurons; the released code takes a column of "
        "weights for them",
    ),
)
