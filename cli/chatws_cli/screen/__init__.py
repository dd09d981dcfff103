"""What a full screen shows, as plain data: events go in with ``apply``, rows of text come out; no terminal needed."""
