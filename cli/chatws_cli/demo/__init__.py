"""``chatws demo``: a scripted conversation between real clients on a real server."""
