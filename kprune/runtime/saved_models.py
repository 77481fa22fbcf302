"""Loads `.keras` files; nothing else does."""

import pathlib
import warnings

import keras


def load(path, compile=True):
    """Loads a model, with its masks if it has any.

    Uses Keras' safe mode, which refuses code in the file (`Lambda` layers). See
    `SECURITY.md` for its limits.

    Raises:
        ValueError: If there is no such file, or Keras cannot load it for any
            reason.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(
            f"Expected a .keras file. There is no such file: {path}"
        )
    try:
        with warnings.catch_warnings():
            # Expected: further training starts with a fresh optimizer.
            warnings.filterwarnings("ignore", "Skipping variable loading")
            return keras.models.load_model(
                path, compile=compile, safe_mode=True
            )
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"Keras cannot load {path}: {reason}. Layers of your own have to "
            "be registered: keras.saving.register_keras_serializable."
        ) from error
