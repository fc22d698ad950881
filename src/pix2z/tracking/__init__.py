"""The only room with mlflow."""
