"""One run over the claims: what was asked, the plan of experiments, the answers."""
