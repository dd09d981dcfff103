"""Clients and measurements shared by the benchmarks."""
