"""Benchmarks of the server and of load generators; not part of the installed package."""
