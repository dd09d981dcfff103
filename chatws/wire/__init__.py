"""Sans-I/O codecs of Socket.IO v5, Engine.IO v4 and WebSocket frames, strict, for clients and servers.

Modules: ``engineio`` (packets and polling payloads), ``socketio`` (packets and events), ``attachments`` (binary
placeholders), ``json_limits`` (depth and width of JSON), ``frames`` (outgoing WebSocket frames), ``frame_parser``
(incoming WebSocket frames), ``handshake_key`` (WebSocket opening handshake), ``client_protocol`` (Socket.IO client over
WebSocket), ``polling_client`` (the same over long-polling), ``client_upgrade`` (WebSocket that takes over a polling
session), ``http_response`` (HTTP/1.1 responses), ``errors``.
"""
