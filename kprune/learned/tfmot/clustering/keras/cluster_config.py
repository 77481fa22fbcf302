"""The options of clustering, with TFMOT's names."""

import enum


class CentroidInitialization(enum.StrEnum):
    """Where the centroids of a weight begin.

    `LINEAR`: evenly spread from the least to the largest value. `RANDOM`:
    drawn uniformly between the two. `DENSITY_BASED`: where the cumulative
    distribution of the values passes evenly spread shares.
    `KMEANS_PLUS_PLUS`: values drawn far from each other, always the same.
    """

    LINEAR = "CentroidInitialization.LINEAR"
    RANDOM = "CentroidInitialization.RANDOM"
    DENSITY_BASED = "CentroidInitialization.DENSITY_BASED"
    KMEANS_PLUS_PLUS = "CentroidInitialization.KMEANS_PLUS_PLUS"


class GradientAggregation(enum.StrEnum):
    """What the gradient of a centroid is of those of its weights: their sum
    (`SUM`) or their mean (`AVG`)."""

    SUM = "GradientAggregation.SUM"
    AVG = "GradientAggregation.AVG"
