"""Tickets, and the checks that they and other methods are put to."""

from kprune.literature.row import Row

_IMP = "tests/tickets/test_imp.py"
_CHECKED = "tests/analysis/test_checked_methods.py"
_MARK = ("Frankle et al., 2021", "https://arxiv.org/abs/2009.08576")
_JACKPOT = ("Su et al., 2020", "https://arxiv.org/abs/2009.11094")

ROWS = (
    Row(
        "lottery tickets (LTH, IMP)",
        "kprune.tickets.imp(model, train, levels=10, fraction=0.2)",
        "Frankle and Carbin, 2019",
        "https://arxiv.org/abs/1803.03635",
        f"{_IMP}::test_the_loop_is_that_written_by_hand",
        "the whole model is ranked; the paper's rates of each layer are "
        "`kprune.tickets.layer_fractions`",
    ),
    Row(
        "rewinding (LTR)",
        'kprune.tickets.imp(model, train, levels=10, rewind_to="500it")',
        "Frankle et al., 2020",
        "https://arxiv.org/abs/1912.05671",
        "tests/tickets/test_ticket_searches.py::"
        "test_all_is_rewound_to_step_k_to_the_bit",
    ),
    Row(
        "PrAC tickets",
        "kprune.tickets.prac(model, (x, y), levels=16, epochs=182)",
        "Zhang et al., 2021",
        "https://arxiv.org/abs/2106.03225",
        "tests/tickets/test_prac.py::test_the_loop_is_that_written_by_hand",
        "examples are judged after each epoch in inference mode, by the "
        "released code in training mode while weights move; it prunes "
        "convolutions only, here `exclude` says what stays",
    ),
    Row(
        "learning-rate rewinding, fine-tuning",
        'kprune.tickets.imp(model, train, levels=10, rewind_weights="trained")',
        "Renda et al., 2020",
        "https://arxiv.org/abs/2003.02389",
        f"{_IMP}::test_a_pruned_level_differs_by_where_it_takes_up_the_rate",
    ),
    Row(
        "magnitude after training",
        "kprune.tickets.after_training(model, train, 0.9)",
        *_MARK,
        f"{_IMP}::test_once_after_training",
        "fine-tuned by default; rewound with `rewind_weights` and "
        "`learning_rate`",
    ),
    Row(
        "early-bird tickets",
        'kprune.callbacks.EarlyBird("bn_gamma", 0.5)',
        "You et al., 2020",
        "https://arxiv.org/abs/1909.11957",
        "tests/callbacks/test_early_bird.py::test_when_it_emerges",
        "masks are drawn after epochs, never before the first, where the "
        "released code finds an empty one",
    ),
    Row(
        "elastic tickets (E-LTH)",
        "kprune.tickets.elastic(ticket, model)",
        "Chen et al., 2021",
        "https://arxiv.org/abs/2103.16547",
        "tests/tickets/test_elastic_tickets.py::"
        "test_stretched_blocks_are_repeated_beside_themselves",
    ),
    Row(
        "one ticket for several tasks",
        "kprune.tickets.transfer(ticket, model)",
        "Morcos et al., 2019",
        "https://arxiv.org/abs/1906.02773",
        "tests/tickets/test_transferred_tickets.py::"
        "test_masks_go_and_the_classifier_stays_dense",
    ),
    Row(
        "random tickets",
        'kprune.prune(model, "random_tickets", 0.9)',
        *_JACKPOT,
        "tests/pruning/test_ticket_recipes.py::test_what_each_layer_keeps",
    ),
    Row(
        "hybrid tickets",
        'kprune.prune(model, "hybrid_tickets", 0.9)',
        *_JACKPOT,
        "tests/pruning/test_ticket_recipes.py::test_what_each_layer_keeps",
    ),
    Row(
        "check: shuffled masks",
        "kprune.sanity.shuffle(masks, seed=1)",
        *_MARK,
        f"{_CHECKED}::test_a_shuffle_keeps_the_groups_of_each_layer",
    ),
    Row(
        "check: weights drawn anew",
        "kprune.sanity.reinitialize(model, seed=1)",
        *_MARK,
        "tests/analysis/test_reinitialization.py::"
        "test_weights_change_and_masks_stay",
    ),
    Row(
        "check: inverted ranking",
        'kprune.sanity.invert("snip")',
        *_MARK,
        f"{_CHECKED}::test_an_inverted_ranking_is_the_complement",
        "ranks are turned round; SynFlow's released code takes 1 / score",
    ),
    Row(
        "check: corrupted data",
        'kprune.sanity.corrupt(data, "labels")',
        *_JACKPOT,
        "tests/analysis/test_corrupted_data.py::"
        "test_labels_are_permuted_and_images_stay",
    ),
)
