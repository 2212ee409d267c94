"""How batches get from the data set into the arrays of the training step."""
