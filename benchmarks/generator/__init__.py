"""Benchmark of load generators on the same server: chatws loadtest, Locust's user, npm's client and Artillery."""
