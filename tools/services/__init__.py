"""PostgreSQL, Redis and nginx as child processes, and certificates, for tests and benchmarks."""
