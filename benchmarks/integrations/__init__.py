"""Benchmark of the cost of a message with and without a webhook and connection state recovery."""
