"""Exports a saved model: for TensorFlow, Keras, LiteRT, ONNX or OpenVINO.

The same as `kprune export`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.export")
