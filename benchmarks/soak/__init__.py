"""Soak test: resources that a server uses and retains under slow readers, mass disconnects and churn."""
