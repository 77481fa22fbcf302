"""The loss as a function of the weights, and what else scores look at.

Gradients, Hessian-vector products, data, exact moments, synaptic flow and the
activations of neurons. Imports `runtime` and `masking`.
"""
