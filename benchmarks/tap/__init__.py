"""Benchmark of `chatws tap`: latency of messages through it, beside direct connections to the same server."""
