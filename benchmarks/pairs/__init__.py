"""Benchmark of messages between two users: CPU and latency of one server process."""
