"""Benchmark of one server and of three under the same load, on PostgreSQL and Redis."""
