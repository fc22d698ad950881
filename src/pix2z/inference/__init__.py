"""Saved pools without Keras: ONNX Runtime and numpy. Nothing here is trained."""
