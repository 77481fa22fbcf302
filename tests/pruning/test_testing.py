"""The contract check finds the faults it is there to find."""

import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.pruning.criteria.ossum import ossum
from kprune.pruning.criteria.snip import snip
from kprune.pruning.testing import check_criterion


def test_a_sound_criterion_of_ones_own_passes(recwarn):
    def curvature_free(objective, weights, masks):
        gradient = objective.gradient(kprune.masks.apply(masks, weights))
        return {name: gradient[name] ** 2 for name in weights}

    check_criterion(curvature_free)
    told = [w.message for w in recwarn if w.category is UserWarning]
    assert not told


def test_a_criterion_of_channels_alone_says_which():
    def of_the_last_layer(objective, weights, masks):
        return ossum(objective, weights, masks)

    with pytest.raises(ValueError, match="gave no scores"):
        check_criterion(of_the_last_layer)
    channels = kprune.Channel("sum", side="outgoing")
    check_criterion(of_the_last_layer, channels=channels)


def changed(change):
    """Returns SNIP with a change of each score."""

    def criterion(*given):
        return {name: change(s) for name, s in snip(*given).items()}

    return criterion


def of_the_first_weight_only(*given):
    return dict(list(snip(*given).items())[:1])


def drawn_anew(objective, weights, masks):
    rng = np.random.default_rng()
    return {name: rng.random(w.shape) for name, w in weights.items()}


def drawn_from_the_global_state(objective, weights, masks):
    np.random.seed(0)
    return {name: np.random.rand(*w.shape) for name, w in weights.items()}


def that_moves_the_model(objective, weights, masks):
    variable = objective.model.trainable_variables[0]
    variable.assign(variable * 0.5)
    return {name: tf.abs(w) for name, w in weights.items()}


def that_moves_the_weights_given(objective, weights, masks):
    scores = snip(objective, weights, masks)
    for name in weights:
        weights[name] = weights[name] + 1.0
    return scores


def summed_over_batches(objective, *given):
    scores = snip(objective, *given)
    return {name: objective.batch_count * s for name, s in scores.items()}


def averaged_after_the_absolute_value(objective, *given):
    places = range(objective.batch_count)
    each = [snip(objective.on(place), *given) for place in places]
    return {n: tf.add_n([s[n] for s in each]) / len(each) for n in each[0]}


def summed_over_replicas(objective, *given):
    count = objective.strategy.num_replicas_in_sync
    return {name: count * s for name, s in snip(objective, *given).items()}


@pytest.mark.parametrize(
    "criterion, message",
    [
        (of_the_first_weight_only, "gave no scores"),
        (changed(lambda score: tf.reshape(score, [-1])), "wrong shape"),
        (changed(lambda score: score / 0.0), r"not all finite|NaN"),
        (changed(lambda score: tf.cast(score, tf.float16)), "float16"),
        (drawn_anew, "differ from call to call"),
        (drawn_from_the_global_state, "global random state"),
        (that_moves_the_model, r"Scoring changed .*conv.kernel' of the model"),
        (that_moves_the_weights_given, r"differ from call|weights .* given"),
        (summed_over_batches, "in four parts of two"),
        (averaged_after_the_absolute_value, "in four parts of two"),
        (summed_over_replicas, "shared by two replicas"),
    ],
)
def test_a_fault_is_found_and_named(criterion, message):
    with pytest.raises((AssertionError, ValueError), match=message):
        check_criterion(criterion)


def test_where_there_are_no_two_devices_it_says_so(monkeypatch):
    monkeypatch.setattr("kprune.testing._two_devices", lambda: None)
    with pytest.warns(UserWarning, match="two replicas were not checked"):
        check_criterion("magnitude")
