"""Communication with other servers: publishing, receiving, reconciliation with the database."""
