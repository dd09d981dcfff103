"""Trend of the measurements over many reports."""
