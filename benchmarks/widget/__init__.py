"""Benchmark of the widget: time from the click to a chat that can be used."""
