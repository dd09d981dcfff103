"""``chatws check URL``: conformance checks of a server with the guide, and of the additions that it offers.

Modules: ``registry`` (decorators that register a check), ``raw_client`` and ``check_context`` (connections of a check),
a module for each group of checks, ``runner``, ``command``.
"""
