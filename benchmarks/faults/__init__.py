"""Random faults of two servers, PostgreSQL, Redis, nginx and the network between them, with an account of messages."""
