"""One server and three at the same load, on PostgreSQL and Redis: what a message and a connection cost."""
