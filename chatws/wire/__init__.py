"""Socket.IO v5 and Engine.IO v4 packets and WebSocket frames, for both ends: strict, pure, without I/O.

Modules: ``engineio`` (packets and polling payloads), ``socketio`` (packets and events), ``attachments`` (binary
placeholders), ``shape`` (depth and width of JSON), ``frames`` (WebSocket frames out), ``reader`` (WebSocket frames in),
``errors``.
"""
