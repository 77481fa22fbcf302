"""One update of each method, on cases worked out by hand."""

import math

import numpy as np
import pytest

from kprune.callbacks import dynamic
from kprune.callbacks.dynamic import TrainingState

RNG = np.random.default_rng(0)


def moment(weights, gradients=None, momenta=None, masks=None, **kwargs):
    """Active is what is not zero, unless said otherwise."""
    weights = {n: np.array(w, np.float32) for n, w in weights.items()}
    if masks is None:
        masks = {n: w != 0 for n, w in weights.items()}
    masks = {n: np.array(m, bool) for n, m in masks.items()}
    given = {"step": 100, "progress": 0.0, "masks": masks} | kwargs
    for name, values in {"gradients": gradients, "momenta": momenta}.items():
        if values is not None:
            values = {n: np.array(v, np.float32) for n, v in values.items()}
        given[name] = values
    return TrainingState(weights=weights, **given)


def bits(mask):
    return "".join(str(int(b)) for b in mask.ravel())


def random_moment(**kwargs):
    """Three layers of different sizes and sparsities."""
    shapes = {"a": (30, 20), "b": (20, 20), "c": (3, 3, 4, 5)}
    shares = {"a": 0.1, "b": 0.95, "c": 0.3}
    masks = {n: RNG.random(s) < shares[n] for n, s in shapes.items()}
    draw = {n: RNG.normal(size=s).astype("float32") for n, s in shapes.items()}
    weights = {n: np.where(masks[n], w, 0) for n, w in draw.items()}
    momenta = {n: 0.1 * w + 0.01 for n, w in draw.items()}
    return moment(weights, draw, momenta, masks, learning_rate=0.1, **kwargs)


FIXED = ("set", "dsr", "snfs", "rigl", "deepr")


@pytest.mark.parametrize("method", FIXED)
def test_the_budget_is_kept(method):
    options = {"deepr": {"temperature": 1.0}, "dsr": {"threshold": 0.3}}
    options = options.get(method, {})
    for step in (100, 200):
        now = random_moment(step=step)
        updater = dynamic.get(method, **options)
        updater.start(now)
        masks = updater.update(now).masks
        before = {n: m.sum() for n, m in now.masks.items()}
        after = {n: m.sum() for n, m in masks.items()}
        assert sum(after.values()) == sum(before.values())
        assert any((masks[n] != now.masks[n]).any() for n in masks)
        if method in ("set", "rigl", "deepr"):
            assert after == before
        again = dynamic.get(method, **options)
        again.start(now)
        for name, mask in again.update(now).masks.items():
            np.testing.assert_array_equal(mask, masks[name])


def test_rigl_by_hand():
    # Four active: f = 0.5 drops the two nearest to 0, of 0.1 and 0.2.
    # Not kept are then places 0, 2, 4, 5, 6, of |g| 3, 1, 2, 9, 0: 5 and 0
    # grow, of which 0 was just dropped.
    now = moment(
        {"w": [-0.1, 0.8, 0.2, -0.9, 0, 0, 0]},
        {"w": [3.0, 8.0, -1.0, 7.0, 2.0, -9.0, 0.0]},
    )
    change = dynamic.RigL(0.5).update(now)
    assert bits(change.masks["w"]) == "1101010"
    assert change.fresh is None and change.weights is None


def test_rigl_draws_among_equal_gradients():
    grown = set()
    for seed in range(20):
        now = moment({"w": [1.0, 2.0, 0, 0, 0, 0]}, {"w": [0.0] * 6}, seed=seed)
        mask = dynamic.RigL(0.5).update(now).masks["w"]
        assert mask.sum() == 2 and mask[1]
        grown.add(int(np.flatnonzero(mask & (np.arange(6) != 1))[0]))
    assert grown == {0, 2, 3, 4, 5}


def test_the_drop_fraction_goes_down_on_a_cosine():
    rigl = dynamic.RigL(0.3)
    for progress, expected in [(0, 0.3), (0.5, 0.15), (1, 0)]:
        now = moment({"w": [1.0]}, progress=progress)
        assert math.isclose(rigl.fraction(now), expected, abs_tol=1e-12)
    # 0.15 (1 + cos(pi / 3)) = 0.225; of 40 active 9 go.
    now = moment({"w": np.arange(1, 41)}, progress=1 / 3)
    assert rigl.drop_counts(now) == {"w": 9}
    constant = dynamic.RigL(0.3, anneal="constant")
    assert constant.drop_counts(now) == {"w": 12}
    # 0.57 * 100 is 56.99999999999999 in floating point.
    hundred = moment({"w": np.ones(100)})
    assert dynamic.RigL(0.57).drop_counts(hundred) == {"w": 57}


def test_set_drops_on_either_side_of_zero():
    # Half of 4 positive and of 2 negative: 0.1, 0.2 and -0.8. By |w| it would
    # be 0.1, 0.2 and 0.3.
    now = moment({"w": [0.1, 0.2, 0.3, 0.4, -0.9, -0.8, 0, 0, 0, 0]})
    assert bits(dynamic.SET(0.5).drop(now)["w"]) == "0011100000"
    assert bits(dynamic.SET(0.5, signed=False).drop(now)["w"]) == "0001110000"


def test_set_drops_active_zeros_and_keeps_the_number():
    now = moment({"w": [0.5, 0, -0.5, 0]}, masks={"w": [1, 1, 1, 0]})
    set_ = dynamic.SET(0.0)
    assert bits(set_.drop(now)["w"]) == "1010"
    assert set_.update(now).masks["w"].sum() == 3


def test_set_grows_anywhere():
    counts = np.zeros(6)
    for step in range(300):
        now = moment({"w": [1.0, 0, 0, 0, 0, 0.1]}, step=step)
        # One of two positive ones goes, place 5, and may come back.
        counts += dynamic.SET(0.5).update(now).masks["w"]
    assert counts[0] == 300
    assert counts[1:].min() > 30  # 60 expected, of deviation 7.


def test_dsr_by_hand():
    # H = 0.5 drops two of a, none of b, and all of c but its largest.
    now = moment(
        {
            "a": [0.1, 0.2, 0.6, 0.7, 0, 0, 0, 0],
            "b": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0],
            "c": [0.3, 0.4, 0.0],
        }
    )
    dsr = dynamic.DSR(target=3, threshold=0.5)
    dsr.start(now)
    kept = dsr.drop(now)
    assert [bits(kept[n]) for n in "abc"] == ["00110000", "1111110", "010"]
    # 3 grow by 2 : 6 : 1, which is 0.67, 2, 0.33. There is room for 4 (what
    # was just dropped stays out), 1 and 1: b passes one on, to a.
    candidates = dsr.candidates(now, kept)
    counts = dsr.grow_counts(now, kept, candidates)
    assert counts == {"a": 2, "b": 1, "c": 0}
    masks = dsr.update(now).masks
    assert bits(masks["a"])[:4] == "0011" and masks["a"].sum() == 4
    assert bits(masks["b"]) == "1111111"
    assert bits(masks["c"]) == "010"


def test_dsr_adapts_its_threshold():
    now = moment({"w": np.r_[np.full(10, 0.1), np.full(10, 9), np.zeros(20)]})
    for target, after in [(8, 0.25), (10, 0.5), (12, 1.0), (10.5, 0.5)]:
        dsr = dynamic.DSR(drop_fraction=target / 20, threshold=0.5)
        dsr.start(now)
        dsr.update(now)  # Drops 10.
        assert dsr.get_state() == {"threshold": after}
    dsr.start(now)
    assert dsr.get_state() == {"threshold": 0.5}


def test_dsr_without_room_takes_what_was_dropped():
    now = moment({"a": [0.1, 0.1, 0.1, 1.0], "b": [1.0, 0]})
    masks = dynamic.DSR(threshold=0.5).update(now).masks
    assert sum(m.sum() for m in masks.values()) == 5


def test_snfs_by_hand():
    # Rate 0.5: ceil(1.5) of a's three and one of b's two go. The mean
    # |momentum| of the active is 1 in a and 2 in b: of 3, a gets 1 and b 2.
    now = moment(
        {"a": [0.1, -0.2, 0.3, 0, 0, 0, 0], "b": [3.0, 2.0, 0, 0, 0, 0, 0]},
        momenta={
            "a": [0.5, 1.0, 1.5, 0.1, -0.9, 0.2, 0.3],
            "b": [-2.0, 2.0, 1.0, 5.0, -6.0, 0.0, 0.5],
        },
    )
    snfs = dynamic.SNFS()
    assert snfs.drop_counts(now) == {"a": 2, "b": 1}
    masks = snfs.update(now).masks
    # a keeps 0.3; of the free, -0.9 is beaten by 1.0, which was just dropped.
    assert bits(masks["a"]) == "0110000"
    assert bits(masks["b"]) == "1001100"


def test_snfs_spares_dense_layers_of_little_momentum():
    w = np.r_[np.ones(90), np.zeros(10)]
    now = moment(
        {"a": w, "b": w},
        momenta={"a": np.full(100, 1.0), "b": np.full(100, 3.0)},
    )
    # Sparsity 0.1 < 0.2: a drops ceil(0.1 * 90), b ceil(0.5 * 90).
    assert dynamic.SNFS().drop_counts(now) == {"a": 9, "b": 45}
    # 54 grow by 1 : 3, which is 13.5 and 40.5. a has room for
    # 0.99 * 19 = 18, b for 0.99 * 55 = 54.
    snfs = dynamic.SNFS()
    kept = snfs.drop(now)
    counts = snfs.grow_counts(now, kept, snfs.candidates(now, kept))
    assert counts == {"a": 14, "b": 40}


def test_snfs_without_room_takes_all_that_is_free():
    # One of two goes, and 0.99 of the one place that is free then is none.
    now = moment({"w": [1.0, 2.0]}, momenta={"w": [1.0, 1.0]})
    assert dynamic.SNFS().update(now).masks["w"].all()


def test_snfs_names_a_momentum_that_is_not_finite():
    now = moment({"w": [1.0, 0]}, momenta={"w": [math.nan, 0]})
    with pytest.raises(ValueError, match=r"'w' at step 100.*NaN"):
        dynamic.SNFS().update(now)


def test_mest_by_hand():
    # |w| + lam |g| is 0.1 + 2, 0.3 + 0, 0.2 + 1 and 0.9 at lam = 1: of four
    # active the half of least is 0.3 and 0.9.
    now = moment(
        {"w": [-0.1, 0.3, 0.2, -0.9, 0, 0]},
        {"w": [-2.0, 0.0, 1.0, 0.0, 9.0, 9.0]},
    )
    mest = dynamic.MEST(0.5, lam=1.0)
    assert bits(mest.drop(now)["w"]) == "101000"
    assert bits(dynamic.MEST(0.5, lam=0.0).drop(now)["w"]) == "010100"
    grown = [
        mest.update(moment(now.weights, now.gradients, step=step)).masks["w"]
        for step in range(40)
    ]
    assert all(mask.sum() == 4 and mask[0] and mask[2] for mask in grown)
    assert np.sum(grown, axis=0)[[1, 3, 4, 5]].min() > 5  # 20 expected.
    # 20 % for three quarters of the time, then 10 %.
    for progress, share in [(0, 0.2), (0.74, 0.2), (0.75, 0.1), (0.99, 0.1)]:
        later = moment({"w": [1.0]}, progress=progress)
        assert dynamic.MEST().fraction(later) == share


def deepr_moment(weights, masks, **kwargs):
    return moment(weights, masks=masks, learning_rate=0.5, **kwargs)


def test_deepr_by_hand():
    before = deepr_moment({"w": [0.4, -0.3, 0.2, 0, 0, 0]}, None)
    deepr = dynamic.DeepR(temperature=0.0, l1=0.2)
    deepr.start(before)
    # After a step: 0.4 stays, -0.3 became 0.1, 0.2 became 0.05. The drift is
    # 0.5 * 0.2 = 0.1: theta is 0.3, -0.2 and -0.05, so two are dropped.
    now = deepr_moment(
        {"w": [0.4, 0.1, 0.05, 0, 0, 0]}, {"w": [1, 1, 1, 0, 0, 0]}
    )
    change = deepr.update(now)
    np.testing.assert_allclose(change.weights["w"], [0.3, *[0] * 5], rtol=1e-6)
    assert change.masks["w"][0] and change.masks["w"].sum() == 3
    fresh = change.masks["w"] & (np.arange(6) > 0)
    np.testing.assert_array_equal(change.fresh["w"], fresh)


def test_deepr_noise_has_the_deviation_of_the_paper():
    # sqrt(2 * 0.5 * 0.04) = 0.2, around 50; in the released code
    # 0.5 * 1e-5, around 1e-3.
    for noise, middle, expected in [
        ("paper", 50, 0.2),
        ("released", 1e-3, 5e-6),
    ]:
        now = deepr_moment({"w": np.full(100_000, middle)}, None)
        deepr = dynamic.DeepR(temperature=0.04, l1=0.0, noise=noise)
        deepr.start(now)
        moved = deepr.update(now).weights["w"].astype(float) - middle
        assert abs(moved.std() / expected - 1) < 0.01
        assert abs(moved.mean()) < 0.02 * expected


def test_deepr_keeps_the_number_of_the_whole_model():
    weights = {"a": [0.1] * 5 + [0] * 45, "b": [-0.1] * 5 + [0] * 5}
    before = deepr_moment(weights, None)
    deepr = dynamic.DeepR(temperature=0.0, l1=0.0, budget="model")
    deepr.start(before)
    totals = []
    for step in range(30):
        flipped = {n: -np.array(w) for n, w in weights.items()}
        now = deepr_moment(flipped, before.masks, step=step)
        masks = deepr.update(now).masks
        assert sum(m.sum() for m in masks.values()) == 10
        totals.append(masks["a"].sum())
    # All ten are dropped; of 60 places a has 50, so 8.3 on the average.
    assert abs(np.mean(totals) - 8.3) < 0.6


def test_deepr_takes_its_signs_back():
    now = deepr_moment({"w": RNG.normal(size=(7, 3))}, None)
    one, other = dynamic.DeepR(), dynamic.DeepR()
    one.start(now)
    other.start(deepr_moment({"w": -now.weights["w"]}, None))
    other.set_state(one.get_state())
    change, again = one.update(now), other.update(now)
    np.testing.assert_array_equal(change.weights["w"], again.weights["w"])


def test_soft_deepr_wanders_and_comes_back():
    n = 2000
    masks = {"w": np.arange(n) < 500}
    now = deepr_moment({"w": np.where(masks["w"], 0.5, 0)}, masks)
    soft = dynamic.SoftDeepR(temperature=1e-3, l1=1e-2)
    soft.start(now)
    # Three pruned for one kept: theta_min = -3 * 0.1.
    theta = soft.get_state()["theta"]["w"]
    assert theta[500:].min() >= -0.3 and theta[500:].min() < -0.29
    assert not theta[:500].any()
    change = soft.update(now)
    came = change.masks["w"] & ~masks["w"]
    assert change.masks["w"][:500].all() and came.any()
    assert (np.abs(change.weights["w"][came]) > 0).all()
    assert not change.weights["w"][~change.masks["w"]].any()
    assert soft.get_state()["theta"]["w"].min() >= np.float32(-0.3)
    # The signs are fixed: those of weights that were there are theirs.
    assert (change.weights["w"][:500] > 0).all()


def test_dns_by_hand():
    # The mean of 1 and 3 is 2, the deviation 1: b = 2 + 1, 0.9 b = 2.7 and
    # 1.1 b = 3.3.
    before = moment({"w": [1.0, 3.0, 0, 0]})
    dns = dynamic.DNS(c=1.0, gamma=0.0)
    dns.start(before)
    assert dns.get_state() == {"bases": {"w": 3.0}}
    for mask in ([1, 1, 1, 1], [0, 0, 0, 0]):
        now = moment({"w": [2.6, -2.8, 3.2, -3.4]}, masks={"w": mask})
        change = dns.update(now)
        # Between the thresholds the mask stays what it is.
        expected = "0111" if mask[0] else "0001"
        assert bits(change.masks["w"]) == expected
        assert not change.fresh["w"].any()


def test_dns_refreshes_by_chance():
    before = moment({"w": [1.0, 3.0]})
    dns = dynamic.DNS(gamma=1e-2, power=1.0)
    dns.start(before)
    refreshed = 0
    for step in range(1000):
        now = moment({"w": [0.1, 9.0]}, masks={"w": [1, 1]}, step=step)
        refreshed += not dns.update(now).masks["w"][0]
    # sum 1 / (1 + 0.01 t) = 100 ln(11) = 240, deviation about 11.
    assert abs(refreshed - 240) < 45


def test_dns_takes_a_number_for_each_layer():
    now = moment({"fc1/kernel": [1.0, 3.0], "fc2/kernel": [1.0, 3.0]})
    dns = dynamic.DNS(c={"fc1": 0, ".*": 2})
    dns.start(now)
    bases = dns.get_state()["bases"]
    assert bases == {"fc1/kernel": 2.0, "fc2/kernel": 4.0}
    with pytest.raises(ValueError, match=r"Missing: .'fc2/kernel'"):
        dynamic.DNS(c={"fc1": 1}).start(now)
    with pytest.raises(ValueError, match="Did you mean"):
        dynamic.DNS(c={"fc3/kernel": 1, ".*": 1}).start(now)


def test_functions_in_place_of_methods():
    updater = dynamic.MaskUpdater(
        0.5,
        anneal="constant",
        drop_scores=lambda m: {"w": -np.abs(m.weights["w"])},
        grow_scores=lambda m: {"w": np.arange(6)},
    )
    now = moment({"w": [1.0, 2.0, 3.0, 4.0, 0, 0]})
    # The two largest are dropped, the last two grow.
    assert bits(updater.update(now).masks["w"]) == "110011"


def test_what_a_function_must_give():
    now = moment({"w": [1.0, 2.0, 0, 0]})

    def update(**functions):
        dynamic.MaskUpdater(0.5, **functions).update(now)

    with pytest.raises(ValueError, match="add up to the 1"):
        update(grow_counts=lambda m, kept, candidates: {"w": 2})
    with pytest.raises(ValueError, match=r"'w' at step 100.*NaN"):
        update(drop_scores=lambda m: {"w": np.full(4, math.nan)})
    with pytest.raises(ValueError, match="grow scores of 'w' of shape"):
        update(grow_scores=lambda m: {"w": np.zeros(3)})
    # Scores of -inf do not make a pruned entry outrank an active one.
    updater = dynamic.MaskUpdater(
        0.5, drop_scores=lambda m: {"w": np.full(4, -math.inf)}
    )
    assert not updater.drop(now)["w"][2:].any()


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("riggl", {}, "Did you mean 'rigl'"),
        ("rigl", {"skipstep": True}, "Did you mean 'skip_step'"),
        ("static", {"drop_fraction": 0.1}, "no options"),
        ("deepr", {"drop_fraction": 0.1}, "option of method"),
        (dynamic.MaskUpdater(), {"needs": None}, "given by name"),
        ("rigl", {"drop_fraction": 1.5}, r"number in \[0, 1\]"),
        ("rigl", {"anneal": "cosin"}, "Did you mean 'cosine'"),
        ("dsr", {"target": 0}, "`target`.*integer >= 1"),
        ("dsr", {"threshold": 0}, "`threshold`.*> 0"),
        ("deepr", {"temperature": -1}, "`temperature`"),
        ("deepr", {"noise": "papers"}, "Did you mean 'paper'"),
        ("deepr", {"budget": "net"}, "value of `budget`"),
        ("soft_deepr", {"l1": 0}, "`l1`.*> 0"),
        ("dns", {"gamma": -1}, "`gamma`"),
    ],
)
def test_what_does_not_fit_is_answered(method, options, message):
    with pytest.raises(ValueError, match=message):
        dynamic.get(method, **options)
    with pytest.raises(ValueError, match="`needs`"):
        dynamic.MaskUpdater(needs="gradient")
