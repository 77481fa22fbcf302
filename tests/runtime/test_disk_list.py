"""A list of arrays that goes to disk."""

import numpy as np

from kprune.runtime.disk_list import Spool


def test_what_is_read_is_what_was_appended_in_memory_and_on_disk():
    elements = [
        (np.full((3, 4), i, "float32"), {"y": np.arange(i + 1)})
        for i in range(6)
    ]
    size = sum(a.nbytes for a in (elements[0][0], elements[0][1]["y"]))
    spool = Spool(in_memory=size)  # The first stays, the rest goes.
    for element in elements:
        spool.append(element)
    assert len(spool) == 6
    for place in (5, 0, 3, 3, 1):
        x, rest = spool[place]
        np.testing.assert_array_equal(x, elements[place][0])
        np.testing.assert_array_equal(rest["y"], elements[place][1]["y"])
    assert spool[0][0] is elements[0][0]
    assert spool[1][0] is not elements[1][0]
    spool.append(elements[2])  # After reading in the middle of the file.
    np.testing.assert_array_equal(spool[6][1]["y"], [0, 1, 2])
