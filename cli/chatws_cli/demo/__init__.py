"""``chatws demo``: a short conversation, played by real clients against a real server."""
