"""``chatws check URL``: does a server keep the guide, and which of our additions does it offer?

Modules: ``peer`` (a client that hides nothing), ``world`` (who takes part), ``table`` (what a check is), one module of
checks for each concern, ``runner``, ``command``.
"""
