"""Curvature of the loss: eigenvalues of the Hessian, its trace, and measures of sharpness."""
