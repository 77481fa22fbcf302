"""What is measured of moving masks, by hand."""

import numpy as np

from kprune.callbacks.dynamic.exploration import Exploration


def masks(bits):
    return {"w": np.array([b == "1" for b in bits])}


def test_by_hand():
    measured = Exploration(masks("11000"))
    measured.begin_epoch()
    assert (measured.exploration, measured.overlap) == (0.4, 1.0)
    measured.follow(masks("10100"))
    measured.follow(masks("10010"))
    # Places 0 to 3 were active; now one of three is as it was; 2 + 2 changes.
    assert measured.exploration == 0.8
    assert measured.overlap == 1 / 3
    assert measured.churn == 0.8
    assert (measured.kept, measured.sparsity) == (2, 0.6)
    measured.begin_epoch()
    assert measured.churn == 0
    measured.follow(masks("11000"))
    assert (measured.churn, measured.exploration) == (0.4, 0.8)


def test_it_is_put_back():
    measured = Exploration(masks("11000"))
    measured.follow(masks("10100"))
    again = Exploration(masks("10100"))
    again.set_state(measured.get_state())
    for one in (measured, again):
        one.follow(masks("00110"))
    for name in ("exploration", "overlap", "churn", "kept", "sparsity"):
        assert getattr(again, name) == getattr(measured, name)
    assert measured.overlap == 0
