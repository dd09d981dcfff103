"""The line mode of ``chatws agent`` and ``chatws customer``: lines for people, JSON objects for programs."""
