"""What a run measures, told to where people look: TensorBoard, W&B, MLflow.

destinations  the three, each behind the same four calls
recording     the callback that collects what is told, and tells it
"""
