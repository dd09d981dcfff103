"""Benchmarks of the server, the load generator and the terminals; not part of the wheel."""
