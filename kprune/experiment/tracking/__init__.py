"""Sends a run's metrics to TensorBoard, Weights & Biases and MLflow.

destinations  the three services behind the same four calls
recording     the callback that collects the metrics and sends them
"""
