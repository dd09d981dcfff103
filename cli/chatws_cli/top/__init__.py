"""``chatws top``: servers' metrics, read again and again, as figures that people compare."""
