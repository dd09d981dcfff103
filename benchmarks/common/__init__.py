"""Command-line steps, clients and loads that the benchmarks share."""
