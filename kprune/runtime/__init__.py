"""Foundations of the other packages: Keras, TensorFlow and the system.

Names, seeds, progress, replicas, warnings, argument checks and files. Only
`keras_internals` uses private parts of Keras. Imports no other package of
kprune.
"""
