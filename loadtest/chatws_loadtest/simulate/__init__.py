"""Simulation of servers, clients, database and bus on a virtual clock, in one process and without I/O."""
