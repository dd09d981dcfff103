"""``chatws replay``: repeats a recording against a server, with new people, and judges it as the load test does."""
