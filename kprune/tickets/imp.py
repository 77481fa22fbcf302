"""Iterative magnitude pruning: train, prune, rewind, repeat."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import tensorflow as tf

from kprune.pruning.chain import Chain
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.renamed import renamed
from kprune.tickets import training as trainings
from kprune.tickets.arguments import Plan
from kprune.tickets.search import Search
from kprune.tickets.ticket import Ticket

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
    model: types.Model,
    training: (
        trainings.Training | tf.data.Dataset | Callable[[int], tf.data.Dataset]
    ),
    method: types.Criterion | Pruner | Chain | dict[str, Any] = "magnitude",
    *,
    levels: int,
    fraction: float | Fraction | dict[str, Any] = 0.2,
    rewind_to: str | int = 0,
    rewind_weights: str = "rewind",
    learning_rate: str = "rewind",
    data: types.Data | None = None,
    **options: Any,
) -> Iterator[Ticket]:
    """Finds lottery tickets: yields one after each level of pruning.

        for level in 0, 1, ..., levels:
            train the network under its masks
            prune a fraction of what is left, and rewind the rest

    Level 0 is the dense network. After r levels, exactly 1 - (1 - fraction)^r
    of the weights are removed: 20 %, 36 %, 48.8 % ... Each level is trained
    when its ticket is requested, and each ticket has its own model.

    The remaining weights are rewound (`rewind_weights`) and retrained over the
    steps and at the rates that `learning_rate` says (Renda et al., 2020):

    | `rewind_weights`, `learning_rate` | known as |
    |---|---|
    | `"rewind"`, `"rewind"` | the paper's; with `rewind_to`, rewinding |
    | `"trained"`, `"rewind"` | learning-rate rewinding |
    | `"trained"`, `"last"` | fine-tuning |

    Args:
        model: A built and compiled Keras model, not pruned. It is not
            modified. Each level has a fresh optimizer like the model's.
        training: A `kprune.tickets.Training` or its data alone: a
            `tf.data.Dataset` of batches, or a function from a step to one.
        method: The method to prune the trained network by, as for
            `kprune.prune`. Defaults to `"magnitude"`. Each level is one round
            of it.
        levels: Integer > 0, how often to prune.
        fraction: Float in (0, 1), the share of the remaining weights that a
            level removes. Or a dict from weights, layers or patterns to the
            fraction of each weight (see `layer_fractions`); weights that it
            does not name are not pruned. Defaults to 0.2.
        rewind_to: Duration, such as `"500it"` or `"2ep"`: the step k to rewind
            to, before the end of the training. Defaults to 0.
        rewind_weights: The values to restart from, of the remaining weights
            and of all other variables such as biases and batch normalization:
            `"rewind"` (default), those after step k; `"init"`, the initial
            ones; `"trained"`, the trained ones.
        learning_rate: Which steps of the training follow, with their data.
            `"rewind"` (default): those from k on. `"restart"`: all. `"last"`:
            those from k on, but at the rate of the last step.
        data: The criterion's data, if it needs any, as for `kprune.prune`.
        **options: As for `kprune.prune`: `granularity`, `exclude`,
            `allocation`, a name or a function that divides the remaining
            weights among layers; and the method's own options.

    Returns:
        A generator of `levels + 1` objects of the class `Ticket`.

    Raises:
        ValueError: If an argument is invalid, or the directory holds another
            search. While iterating, if stored weights have been changed.
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
    model: types.Model,
    training: (
        trainings.Training | tf.data.Dataset | Callable[[int], tf.data.Dataset]
    ),
    sparsity: float,
    method: types.Criterion | Pruner | Chain | dict[str, Any] = "magnitude",
    *,
    rewind_to: str | int = 0,
    rewind_weights: str = "trained",
    learning_rate: str = "last",
    data: types.Data | None = None,
    **options: Any,
) -> Ticket:
    """Prunes once, after training, and trains what is left.

    This is `imp` with one level, which by default fine-tunes: it continues
    from the trained weights at the last rate of their training, for as many
    steps as the training had; with `rewind_to=`, for the steps from there on.

    Args:
        sparsity: Float in (0, 1), the share of the weights to remove.
        model, training, method, data, **options: As for `imp`.
        rewind_to: As for `imp`.
        rewind_weights: As for `imp`. Defaults to `"trained"`.
        learning_rate: As for `imp`. Defaults to `"last"`.

    Returns:
        The `Ticket` of level 1.

    Raises:
        ValueError: If an argument is invalid.

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
