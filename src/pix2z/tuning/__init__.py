"""The only room with optuna."""
