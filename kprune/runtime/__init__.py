"""What the other packages need of Keras, TensorFlow and the system.

Names, seeds, progress, replicas, warnings, checks of arguments and files.
Private parts of Keras are touched in `keras_internals` alone. Imports no other
package of kprune.
"""
