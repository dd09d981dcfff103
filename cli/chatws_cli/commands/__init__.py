"""One module per command group; each holds an ``app`` and imports what it needs when it runs."""
