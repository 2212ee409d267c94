"""One file a layer."""
