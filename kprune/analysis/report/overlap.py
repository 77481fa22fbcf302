"""Measures how far one mask agrees with another."""

import dataclasses

import numpy as np

from kprune.masking import masks


def with_overlap(report, kept, against):
    """Returns the report with the overlap with other masks added.

        overlap = |both keep| / |either keeps|

    `kept` is a dict of boolean arrays for all rows. Only rows that count are
    compared.

    Raises:
        ValueError: If `against` is not a dict of masks, or if it differs in
            the names or shapes of the weights.
    """
    own = {row.name: kept[row.name] for row in report.rows if row.counts}
    _check(own, against, kept)
    other = {name: np.asarray(against[name], bool) for name in own}
    overlaps = {
        name: masks.overlap({name: own[name]}, {name: other[name]})
        for name in own
    }
    return dataclasses.replace(
        report,
        rows=tuple(
            dataclasses.replace(row, overlap=overlaps.get(row.name))
            for row in report.rows
        ),
        overlap=masks.overlap(own, other),
    )


def _check(own, other, kept):
    if not isinstance(other, dict):
        raise ValueError(
            "Expected `against` to be a dict of masks, as kprune.get_masks "
            f"gives, or a keras.Model. Received: {type(other).__name__}"
        )
    missing = sorted(set(own) - set(other))
    unknown = sorted(set(other) - set(kept))
    if missing or unknown:
        raise ValueError(
            "Expected `against` to have a mask of each weight that was pruned "
            "in `model`, by the same name (name the layers where Keras' own "
            f"numbers differ). Missing: {missing}. Not in `model`: {unknown}"
        )
    for name, mask in own.items():
        if np.shape(other[name]) != mask.shape:
            raise ValueError(
                f"The mask of {name!r} in `against` has the wrong shape. "
                f"Expected {mask.shape}. Received: {np.shape(other[name])}"
            )
