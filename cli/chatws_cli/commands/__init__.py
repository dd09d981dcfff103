"""Commands, one module per group: each defines an ``app`` and imports its dependencies when it runs."""
