"""PostgreSQL and Redis as child processes, for tests and benchmarks."""
