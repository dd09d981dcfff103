"""Benchmark of one server process: CPU time and latency of messages between two users."""
