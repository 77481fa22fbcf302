"""Loads `.keras` files; nothing else does."""

import pathlib
import warnings

import keras


def load(path, compile=True):
    """Loads a model, with its masks if it has any.

    Keras' safe mode is on, in which a file may not bring code of its own along
    (`Lambda` layers). See `SECURITY.md` on what that is worth.

    Raises:
        ValueError: If Keras cannot load the file, whatever it meets in there.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(
            f"Expected a .keras file. There is no such file: {path}"
        )
    try:
        with warnings.catch_warnings():
            # What trains on begins with a fresh optimizer.
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
