"""The loss as a function of the weights, and other inputs of scores.

Gradients, Hessian-vector products, data, exact moments, synaptic flow and the
activations of neurons. Imports `runtime` and `masking`.
"""
