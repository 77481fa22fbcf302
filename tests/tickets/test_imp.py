"""Iterative magnitude pruning, against the same loop written by hand."""

from fractions import Fraction

import keras
import numpy as np
import pytest
import regression
from networks import sequential
from regression import INITIAL, STEPS, descend, pruned, rate

import kprune
from kprune.tickets import learning_rates, training_segment
from kprune.tickets.fractions import sparsity


def kernel(model):
    return model.get_layer("linear").layer.kernel.numpy()


@pytest.mark.parametrize(
    ("rewind_weights", "learning_rate", "rewind_to"),
    [
        ("rewind", "rewind", 0),
        ("rewind", "rewind", "3it"),
        ("rewind", "restart", "50%"),
        ("init", "rewind", "3it"),
        ("trained", "rewind", 7),
        ("trained", "last", "0.8ep"),
    ],
)
def test_the_loop_is_that_written_by_hand(
    rewind_weights, learning_rate, rewind_to
):
    k = {0: 0, "3it": 3, "50%": 5, 7: 7, "0.8ep": 4}[rewind_to]
    tickets = regression.search(
        levels=2,
        fraction=0.4,
        rewind_weights=rewind_weights,
        learning_rate=learning_rate,
        rewind_to=rewind_to,
    )
    mask = np.ones((5, 1), bool)
    start, steps, by_step = INITIAL, range(STEPS), rate
    at_k = descend(INITIAL, mask, range(k), rate)
    for ticket, kept in zip(tickets, [5, 3, 2], strict=True):
        trained = descend(start, mask, steps, by_step)
        np.testing.assert_array_equal(ticket.masks["linear/kernel"], mask)
        np.testing.assert_allclose(kernel(ticket.model), trained, atol=1e-6)
        rewound = kernel(ticket.rewound())
        np.testing.assert_allclose(rewound, start * mask, atol=1e-6)
        assert ticket.sparsity == (5 - kept) / 5
        assert ticket.first_step == steps[0]
        updates = int(ticket.model.optimizer.iterations.numpy())
        assert updates == len(steps)
        # 5 x 0.6 = 3, 5 x 0.36 = 1.8.
        mask = pruned(trained, mask, 3 if ticket.level == 0 else 2)
        start = {"rewind": at_k, "init": INITIAL, "trained": trained}[
            rewind_weights
        ]
        steps = range(0 if learning_rate == "restart" else k, STEPS)
        if learning_rate == "last":
            by_step = lambda step: rate(STEPS - 1)  # noqa: E731


def test_a_pruned_level_differs_by_where_it_takes_up_the_rate():
    # Else the test above could not tell the rates apart.
    mask = np.ones((5, 1), bool)
    late = descend(INITIAL, mask, range(3, STEPS), rate)
    early = descend(INITIAL, mask, range(3, STEPS), lambda s: rate(s - 3))
    assert np.abs(late - early).max() > 1e-3


def test_sparsities_are_exact_to_the_weight():
    # METHODS' grid of p = 0.2.
    found = [100 * sparsity(0.2, level) for level in range(1, 6)]
    grid = ["20", "36", "48.8", "59.04", "67.232"]
    assert found == [Fraction(text) for text in grid]


def test_counts_do_not_add_up_their_rounding():
    # 5 x 0.7 = 3.5 is 4 (to even); 5 x 0.49 = 2.45 is 2, where 0.7 x 4 = 2.8
    # would be 3; 5 x 0.343 = 1.715 is 2.
    tickets = regression.search(levels=3, fraction=0.3, epochs=1)
    kept = [int(t.masks["linear/kernel"].sum()) for t in tickets]
    assert kept == [5, 4, 2, 2]


def test_each_ticket_has_a_model_of_its_own():
    tickets = list(regression.search(levels=1, fraction=0.4, epochs=1))
    assert kprune.report(tickets[0].model).sparsity == 0
    assert kprune.report(tickets[1].model).sparsity == 0.4
    assert np.count_nonzero(kernel(tickets[0].model)) == 5


def test_what_is_done_to_a_ticket_does_not_reach_the_next():
    begun = []
    for touched in (False, True):
        for ticket in regression.search(
            levels=1,
            rewind_weights="trained",
            learning_rate="last",
            fraction=0.4,
        ):
            begun.append(kernel(ticket.rewound()))
            if touched:
                kept = ticket.model.get_weights()
                ticket.model.set_weights([-3 * w for w in kept])
    np.testing.assert_array_equal(begun[1], begun[3])
    assert np.count_nonzero(begun[1]) == 3


def test_the_model_that_came_in_is_left_as_it_was():
    model = regression.compiled_model()
    list(regression.search(model, levels=1, epochs=1))
    np.testing.assert_array_equal(model.get_weights()[0], INITIAL)
    assert int(model.optimizer.iterations.numpy()) == 0


def test_once_after_training():
    training = kprune.tickets.Training(
        regression.train, epochs=2, steps_per_epoch=5, verbose=0
    )
    ticket = kprune.tickets.after_training(
        regression.compiled_model(), training, 0.6, rewind_to="5it"
    )
    every = np.ones((5, 1), bool)
    trained = descend(INITIAL, every, range(STEPS), rate)
    mask = pruned(trained, every, 2)
    tuned = descend(trained, mask, range(5, STEPS), lambda step: 0.02)
    np.testing.assert_allclose(kernel(ticket.model), tuned, atol=1e-6)
    assert (ticket.level, ticket.sparsity) == (1, 0.6)


def test_another_criterion_and_other_masks():
    def smallest(objective, weights, masks):
        return {name: -np.abs(w) for name, w in weights.items()}

    _, ticket = regression.search(
        levels=1, fraction=0.4, epochs=1, method=smallest
    )
    every = np.ones((5, 1), bool)
    trained = descend(INITIAL, every, range(5), rate)
    left_out = pruned(trained, every, 2)
    np.testing.assert_array_equal(ticket.masks["linear/kernel"], ~left_out)
    other = ticket.rewound({"linear/kernel": left_out})
    np.testing.assert_array_equal(kernel(other), INITIAL * left_out)


def test_an_epoch_is_cut_where_another_ends():
    # From the middle of the first epoch of 5 to that of the fourth.
    assert training_segment.parts(3, 17, 5) == [
        (3, 2, 1),
        (5, 5, 2),
        (15, 2, 1),
    ]
    assert training_segment.parts(0, 10, 5) == [(0, 5, 2)]
    assert training_segment.parts(1, 3, 5) == [(1, 2, 1)]


def test_history_has_the_epochs_that_were_trained():
    found = regression.search(
        levels=1, rewind_to="7it", validation_data=regression.train(0).take(2)
    )
    lengths = [{k: len(v) for k, v in t.history.items()} for t in found]
    assert lengths == [{"loss": 2, "val_loss": 2}, {"loss": 1, "val_loss": 1}]


def test_a_rate_taken_up_late_is_saved_with_the_model(tmp_path):
    model = regression.compiled_model()
    learning_rates.take_up(model.optimizer, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    values = [
        float(loaded.optimizer._learning_rate(step)) for step in (0, 2, 3)
    ]
    np.testing.assert_allclose(values, [0.05, 0.05, 0.02], rtol=1e-6)
    held = learning_rates.FromStep(regression.RATES, 4, held=True)
    again = learning_rates.FromStep.from_config(held.get_config())
    np.testing.assert_allclose(float(again(5)), 0.05, rtol=1e-6)


def test_a_constant_rate_stays():
    model = regression.compiled_model(0.1)
    learning_rates.take_up(model.optimizer, 4, held=True)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"levels": 0}, "`levels`. Expected an integer >= 1"),
        ({"epochs": 1.5}, "`epochs`. Expected an integer >= 1"),
        ({"fraction": 1.0}, r"number in \(0, 1\)"),
        ({"fraction": True}, r"number in \(0, 1\)"),
        ({"fraction": 0.9, "levels": 3}, "none of 5 weights"),
        ({"fraction": {"liner": 0.2}}, "Did you mean 'linear/kernel'"),
        ({"fraction": {"linear": 0.0}}, r"fraction\['linear'\]"),
        ({"fraction": {}}, "to name weights"),
        ({"fraction": {"linear": 0.2}, "allocation": "erk"}, "no `alloc"),
        ({"rewind_to": "2ep"}, "before the end of the training"),
        ({"rewind_to": "soon"}, "Expected a duration"),
        ({"rewind_weights": "kept"}, "value of `rewind_weights`"),
        ({"learning_rate": "rewound"}, "Did you mean 'rewind'"),
        ({"method": "magnitud"}, "Did you mean 'magnitude'"),
        ({"rounds": 3}, "one round.* Received: rounds"),
        ({"method": "3sp", "rescale": True}, "said by `rewind_weights`"),
        ({"augment": lambda x, seed: x}, "`augment`. Expected None"),
        ({"granularity": "2:4"}, "whose sparsity is fixed"),
        ({"exclude": ("linear",)}, "Nothing is left to prune"),
        ({"steps_per_epoch": None}, "length of an epoch is not known"),
        ({"seed": -1}, "`seed`"),
        ({"checkpoint": "often"}, "Expected a duration"),
        ({"checkpoint": "1%"}, "`checkpoint`. Expected a step at least"),
        ({"data": iter([])}, "is read more than once"),
    ],
)
def test_what_does_not_fit_is_said_at_once(options, expected):
    with pytest.raises(ValueError, match=expected):
        regression.search(**{"levels": 2, **options})


def test_groups_count_where_channels_go():
    # Four units, of which less than half a one would be left.
    layers = keras.layers.Dense(4, name="a"), keras.layers.Dense(1, name="b")
    model = sequential((5,), *layers, optimizer="sgd", loss="mse")
    options = {"granularity": "channel", "fraction": 0.5}
    regression.search(model, levels=2, **options)
    with pytest.raises(ValueError, match="none of 4 weights or groups"):
        regression.search(model, levels=4, **options)


def test_masks_to_rewind_with():
    options = {"levels": 2, "fraction": 0.4}
    *_, last = regression.search(rewind_weights="trained", **options)
    other = {"linear/kernel": ~last.masks["linear/kernel"]}
    with pytest.raises(ValueError, match=r"whose values are gone.*linear"):
        last.rewound(other)
    *_, last = regression.search(rewind_weights="rewind", **options)
    found = kernel(last.rewound(other))
    np.testing.assert_array_equal(found, INITIAL * other["linear/kernel"])
    with pytest.raises(ValueError, match="Did you mean 'linear/kernel'"):
        last.rewound({"liner/kernel": other["linear/kernel"]})


def test_models_that_cannot_be_searched_are_refused():
    model = regression.compiled_model()
    model.compiled = False
    with pytest.raises(ValueError, match="is not compiled"):
        regression.search(model, levels=1)
    half = kprune.prune(regression.compiled_model(), "random", 0.4, verbose=0)
    with pytest.raises(ValueError, match="not pruned yet"):
        regression.search(half, levels=1)
    several = regression.compiled_model()
    several.compile("sgd", "mse", steps_per_execution=5)
    with pytest.raises(ValueError, match="multiple of it"):
        regression.search(several, levels=1, rewind_to="3it")
    with pytest.raises(ValueError, match=r"tf\.data\.Dataset of batches"):
        kprune.tickets.imp(regression.compiled_model(), [1], levels=1)
