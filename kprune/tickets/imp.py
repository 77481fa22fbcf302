"""Iterative magnitude pruning: train, prune, rewind, repeat."""

from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.renamed import renamed
from kprune.tickets import training as trainings
from kprune.tickets.arguments import Plan
from kprune.tickets.search import Search

_WAYS = {
    **trainings.WAYS,
    "train": "`training=`, the data or a `kprune.tickets.Training`",
    "criterion": "`method=`",
    "survivors": "`rewind_weights=`",
}


@renamed(**_WAYS)
@checked(
    method=None, levels=checks.at_least(1), fraction=None, learning_rate=None
)
def imp(
    model,
    training,
    method="magnitude",
    *,
    levels,
    fraction=0.2,
    rewind_to=0,
    rewind_weights="rewind",
    learning_rate="rewind",
    data=None,
    **options,
):
    """Finds lottery tickets: yields one after each level of pruning.

        for level in 0, 1, ..., levels:
            train the network under its masks
            prune a fraction of what is left, and rewind the rest

    Level 0 is the dense network. After r levels, 1 - (1 - fraction)^r of the
    weights are gone, to the weight: 20 %, 36 %, 48.8 % ... The search goes on
    as its tickets are asked for, and each has a model of its own.

    What is not pruned is rewound (`rewind_weights`), and trained again over the
    steps and at the rates that `learning_rate` says (Renda et al., 2020):

    | `rewind_weights`, `learning_rate` | known as |
    |---|---|
    | `"rewind"`, `"rewind"` | the paper's; with `rewind_to`, rewinding |
    | `"trained"`, `"rewind"` | learning-rate rewinding |
    | `"trained"`, `"last"` | fine-tuning |

    Args:
        model: A built and compiled Keras model, not pruned. It is left as it
            was. Each level has a fresh optimizer like the model's.
        training: A `kprune.tickets.Training` or its data alone: a
            `tf.data.Dataset` of batches, or a function from a step to one.
        method: What to prune the trained network by, as for `kprune.prune`.
            Defaults to `"magnitude"`. Each level is one round of it.
        levels: Integer > 0, how often to prune.
        fraction: Float in (0, 1), of what is left, that a level removes. Or a
            dict from weights, layers or patterns to fractions, each of that
            weight alone (see `layer_fractions`); what it does not name stays.
        rewind_to: Duration, such as `"500it"` or `"2ep"`: the step k, before
            the end of the training, that is rewound to.
        rewind_weights: What the weights that stay become, and all that is not
            pruned, biases and batch normalization: `"rewind"`, as after step
            k; `"init"`, as at the beginning; `"trained"`, as they are.
        learning_rate: Which steps of the training follow, with their data.
            `"rewind"`: those from k on. `"restart"`: all. `"last"`: those
            from k on, but at the rate of the last step.
        data: What the criterion looks at, if it does: as for `kprune.prune`.
        **options: As for `kprune.prune`: `granularity`, `exclude`,
            `allocation`, how many each weight keeps of all that stay, a name
            or a function; and the method's own options.

    Returns:
        A generator of `levels + 1` objects of the class `Ticket`.

    Raises:
        ValueError: If an argument does not fit, or the directory holds
            another search. Later, if stored weights have been changed.
        kprune.training.Terminated: After a SIGTERM or Ctrl-C, with a
            directory.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])
    >>> training = kprune.tickets.Training(train, verbose=0)
    >>> for ticket in kprune.tickets.imp(
    ...     model, training, levels=2, rewind_to="20it"
    ... ):
    ...     print(ticket.level, round(ticket.sparsity, 3))
    0 0.0
    1 0.2
    2 0.36
    """
    plan = Plan(levels, fraction, rewind_to, rewind_weights, learning_rate)
    training = trainings.get(training)
    return Search(model, training, method, plan, data, options).tickets()


@renamed(**_WAYS)
@checked(method=None, learning_rate=None, sparsity=checks.within("(0, 1)"))
def after_training(
    model,
    training,
    sparsity,
    method="magnitude",
    *,
    rewind_to=0,
    rewind_weights="trained",
    learning_rate="last",
    data=None,
    **options,
):
    """Prunes once, after training, and trains what is left.

    This is `imp` with one level, which by default fine-tunes: the weights go
    on from where they are, at the last rate of their training, for as long as
    it took; with `rewind_to=`, for the steps from there on.

    Args:
        sparsity: Float in (0, 1), the share of the weights to remove.
        model, training, method, data, **options: As for `imp`.
        rewind_to, rewind_weights, learning_rate: As for `imp`.

    Returns:
        The `Ticket` of level 1.

    Raises:
        ValueError: If an argument does not fit.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> training = kprune.tickets.Training(train, verbose=0)
    >>> ticket = kprune.tickets.after_training(
    ...     model, training, 0.9, rewind_to="40it"
    ... )
    >>> round(ticket.sparsity, 4)
    0.9
    """
    plan = Plan(1, sparsity, rewind_to, rewind_weights, learning_rate)
    training = trainings.get(training)
    *_, ticket = Search(model, training, method, plan, data, options).tickets()
    return ticket


METHODS = (
    Method(
        "imp",
        title="lottery tickets (LTH, IMP)",
        call="kprune.tickets.imp(model, train, levels=10, fraction=0.2)",
        paper="Frankle and Carbin, 2019",
        link="https://arxiv.org/abs/1803.03635",
        test="tests/tickets/test_imp.py::test_the_loop_is_that_written_by_hand",
        deviation="the whole model is ranked; the paper's rates of each layer "
        "are `kprune.tickets.layer_fractions`",
    ),
    Method(
        "imp",
        title="rewinding (LTR)",
        call='kprune.tickets.imp(model, train, levels=10, rewind_to="500it")',
        paper="Frankle et al., 2020",
        link="https://arxiv.org/abs/1912.05671",
        test="tests/tickets/test_ticket_searches.py::"
        "test_all_is_rewound_to_step_k_to_the_bit",
    ),
    Method(
        "imp",
        title="learning-rate rewinding, fine-tuning",
        call="kprune.tickets.imp(model, train, levels=10, "
        'rewind_weights="trained")',
        paper="Renda et al., 2020",
        link="https://arxiv.org/abs/2003.02389",
        test="tests/tickets/test_imp.py::"
        "test_a_pruned_level_differs_by_where_it_takes_up_the_rate",
    ),
    Method(
        "after_training",
        title="magnitude after training",
        call="kprune.tickets.after_training(model, train, 0.9)",
        paper="Frankle et al., 2021",
        link="https://arxiv.org/abs/2009.08576",
        test="tests/tickets/test_imp.py::test_once_after_training",
        deviation="fine-tuned by default; rewound with `rewind_weights` and "
        "`learning_rate`",
    ),
)
