"""What training does better on the GPU."""
