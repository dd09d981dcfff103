"""Checkers of what simulated users receive: each compares it with what was sent, and counts the deviations."""
