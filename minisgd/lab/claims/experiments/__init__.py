"""The experiments that the claims are settled by."""
