"""The loss as a function of the weights, and other inputs of scores.

Gradients, Hessian-vector products, batches, exact moments, synaptic flow and
the inputs of layers. Imports only `runtime` and `masking`.
"""
