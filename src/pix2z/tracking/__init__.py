"""The only room with mlflow.

Files are the truth: everything in the store is read from models/ and reports/, found again by
digest, and can be rebuilt by deleting the store and registering again.
"""

import os

# MLflow asks once, while it is imported; this package is imported before it by whoever uses it.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
