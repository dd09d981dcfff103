"""What a chat client decides, without I/O: clock, randomness and the connection's events are passed in."""
