"""Training goes on with the predecessor's checkpoints, step for step as his own."""
