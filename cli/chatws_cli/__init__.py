"""The ``chatws`` command: what people type."""
