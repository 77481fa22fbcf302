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
    logs = {"sparsity": 0.6, "kept": 2, "mask_churn": 0.8}
    assert measured.logs() == {**logs, "exploration": 0.8, "overlap": 1 / 3}
    measured.begin_epoch()
    assert measured.logs()["mask_churn"] == 0
    measured.follow(masks("11000"))
    assert measured.logs()["mask_churn"] == 0.4
    assert measured.exploration == 0.8


def test_it_is_put_back():
    measured = Exploration(masks("11000"))
    measured.follow(masks("10100"))
    again = Exploration(masks("10100"))
    again.set_state(measured.get_state())
    for one in (measured, again):
        one.follow(masks("00110"))
    assert again.logs() == measured.logs()
    assert measured.overlap == 0
