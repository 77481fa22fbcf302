"""What TFMOT and kprune's shim both compute with: weights, tables, data."""

import numpy as np

SHAPES = {"dense": (22, 37), "conv": (3, 3, 6, 7)}
SCHEDULES = {
    "polynomial": ("PolynomialDecay", (0.2, 0.85, 2, 10), {"frequency": 2}),
    "square": ("PolynomialDecay", (0.0, 0.7, 1, 9, 2), {"frequency": 3}),
    "constant": ("ConstantSparsity", (0.6, 3), {"frequency": 4}),
    "ended": ("ConstantSparsity", (0.45, 2, 6), {"frequency": 1}),
}
M_BY_N = [(2, 4), (1, 4), (3, 4), (2, 3)]
BLOCKS = [(1, 16), (4, 1), (2, 3), (5, 5)]
STEPS = 12
CLUSTERS = (3, 8)
INITS = ("LINEAR", "RANDOM", "DENSITY_BASED", "KMEANS_PLUS_PLUS")


def weights(kind, step=0):
    """Returns weights with a few ties and zeros among them."""
    rng = np.random.RandomState(100 * step + len(kind))
    values = rng.normal(size=SHAPES[kind]).astype(np.float32)
    return np.where(rng.rand(*values.shape) < 0.3, values.round(1), values)


def inputs(kind):
    shape = (1, 22) if kind == "dense" else (1, 5, 5, 6)
    return np.ones(shape, np.float32)


def training_data():
    rng = np.random.RandomState(5)
    x = rng.normal(size=(60, 6)).astype(np.float32)
    kernels = [rng.normal(size=s).astype(np.float32) for s in ((6, 8), (8, 3))]
    return x, x[:, :3] ** 2, kernels
