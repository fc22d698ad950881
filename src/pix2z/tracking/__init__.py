"""The only room with mlflow.

Files are the truth: everything in the store is read from models/ and reports/, found again by
digest, and can be rebuilt by deleting the store and registering again.
"""

import os

# MLflow asks while it is imported, and whoever uses it here imports this package first.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
