"""The contract check finds the faults it is there to find."""

import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.pruning.criteria.ossum import ossum
from kprune.pruning.criteria.snip import snip
from kprune.pruning.testing import check_criterion


def test_a_sound_criterion_of_ones_own_passes():
    def curvature_free(objective, weights, masks):
        gradient = objective.gradient(kprune.masks.apply(masks, weights))
        return {name: gradient[name] ** 2 for name in weights}

    check_criterion(curvature_free)


def test_a_criterion_of_channels_alone_says_which():
    def of_the_last_layer(objective, weights, masks):
        return ossum(objective, weights, masks)

    with pytest.raises(ValueError, match="gave no scores"):
        check_criterion(of_the_last_layer)
    channels = kprune.Channel("sum", side="outgoing")
    check_criterion(of_the_last_layer, channels=channels)


def of_the_first_weight_only(objective, weights, masks):
    scores = snip(objective, weights, masks)
    return dict(list(scores.items())[:1])


def of_another_shape(objective, weights, masks):
    scores = snip(objective, weights, masks)
    return {name: tf.reshape(s, [-1]) for name, s in scores.items()}


def not_finite(objective, weights, masks):
    scores = snip(objective, weights, masks)
    return {name: s / 0.0 for name, s in scores.items()}


def in_half_precision(objective, weights, masks):
    scores = snip(objective, weights, masks)
    return {name: tf.cast(s, tf.float16) for name, s in scores.items()}


def drawn_anew(objective, weights, masks):
    return {
        name: np.random.default_rng().random(w.shape)
        for name, w in weights.items()
    }


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


def summed_over_batches(objective, weights, masks):
    scores = snip(objective, weights, masks)
    return {name: objective.batch_count * s for name, s in scores.items()}


def averaged_after_the_absolute_value(objective, weights, masks):
    each = [
        snip(objective.on(place), weights, masks)
        for place in range(objective.batch_count)
    ]
    return {n: tf.add_n([s[n] for s in each]) / len(each) for n in weights}


@pytest.mark.parametrize(
    "criterion, message",
    [
        (of_the_first_weight_only, "gave no scores"),
        (of_another_shape, "wrong shape"),
        (not_finite, r"not all finite|NaN"),
        (in_half_precision, "float16"),
        (drawn_anew, "differ from call to call"),
        (drawn_from_the_global_state, "global random state"),
        (that_moves_the_model, r"Scoring changed .*conv.kernel' of the model"),
        (that_moves_the_weights_given, r"differ from call|weights .* given"),
        (summed_over_batches, "in four parts of two"),
        (averaged_after_the_absolute_value, "in four parts of two"),
    ],
)
def test_a_fault_is_found_and_named(criterion, message):
    with pytest.raises((AssertionError, ValueError), match=message):
        check_criterion(criterion)


def test_a_sum_over_replicas_is_found():
    def summed_over_replicas(objective, weights, masks):
        scores = snip(objective, weights, masks)
        count = objective.strategy.num_replicas_in_sync
        return {name: count * s for name, s in scores.items()}

    with pytest.raises(AssertionError, match="shared by two replicas"):
        check_criterion(summed_over_replicas)


def test_where_there_are_no_two_devices_it_says_so(monkeypatch):
    monkeypatch.setattr("kprune.testing._two_devices", lambda: None)
    with pytest.warns(UserWarning, match="two replicas were not checked"):
        check_criterion("magnitude")
