"""Line mode of ``chatws agent`` and ``chatws customer``: lines of text for users, JSON objects for programs."""
