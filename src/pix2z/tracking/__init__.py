"""The only room with mlflow.

Files are the truth: everything in the store is read from models/ and reports/, found again by
digest, and can be rebuilt by deleting the store and registering again.
"""

import os

# MLflow asks while it is imported, and whoever uses it here imports this package first.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Of requests to a server that does not answer: 7, its own default, hold a training up for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
# A model is code, weights and JSON; one that holds a pickle all the same is not loaded.
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
