"""What a training leaves of a pool, in numpy and JSON: read by Keras and by ONNX Runtime alike."""
