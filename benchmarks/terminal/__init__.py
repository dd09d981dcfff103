"""Benchmark of the terminals: long conversations, start, first paint and memory."""
