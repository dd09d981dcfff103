"""``chatws check-client``: a server that behaves, then injects faults, and judges the client by its traffic.

Modules: ``registry`` (decorator that registers a situation), ``fault_server``, ``scripted_chat`` and ``scripted_room``
(the server), ``traffic`` (what the client sends), ``checked_client``, ``situation_context``, a module for each group of
situations, ``runner``, ``command``.
"""
