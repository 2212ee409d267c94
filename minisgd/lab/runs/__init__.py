"""What the commands leave in their folders, to look at: a training run, several things side by side, one that grows."""
