"""Soak test: resources that a server uses and retains under floods, slow readers, mass disconnects and churn."""
