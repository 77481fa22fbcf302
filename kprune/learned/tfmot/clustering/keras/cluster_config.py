"""The options of clustering, with TFMOT's names."""

import enum


class CentroidInitialization(enum.StrEnum):
    """Initializations of the centroids of a weight.

    `LINEAR`: evenly spaced from the least to the largest value. `RANDOM`:
    drawn uniformly between the two. `DENSITY_BASED`: quantiles of the values
    at evenly spaced shares. `KMEANS_PLUS_PLUS`: values far from each other,
    drawn with a fixed seed.
    """

    LINEAR = "CentroidInitialization.LINEAR"
    RANDOM = "CentroidInitialization.RANDOM"
    DENSITY_BASED = "CentroidInitialization.DENSITY_BASED"
    KMEANS_PLUS_PLUS = "CentroidInitialization.KMEANS_PLUS_PLUS"


class GradientAggregation(enum.StrEnum):
    """How a centroid's gradient is computed from those of its weights: as
    their sum (`SUM`) or their mean (`AVG`)."""

    SUM = "GradientAggregation.SUM"
    AVG = "GradientAggregation.AVG"
