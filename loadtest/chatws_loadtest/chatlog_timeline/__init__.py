"""``chatws timeline``: shows a recording as a page with a column per client and server, or explains one message."""
