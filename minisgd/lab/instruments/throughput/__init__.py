"""Speed of training steps and of predictions."""
