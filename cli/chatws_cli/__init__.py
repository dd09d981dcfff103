"""The ``chatws`` command."""
