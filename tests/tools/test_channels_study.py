"""What the study of channels says of its numbers."""

import pytest


def test_p_values_are_corrected_as_by_hand(part):
    found = part("channels.run").holm({"a": 0.01, "b": 0.04, "c": 0.03})
    # 3 x 0.01, 2 x 0.03, and 1 x 0.04, which is no less than that before.
    assert found == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert list(found) == ["a", "c", "b"]
    assert part("channels.run").holm({"a": 0.9, "b": 0.8}) == {"b": 1, "a": 1}
