"""Client on gevent, for load generators: the session of the SDK with a minimum of CPU per connection.

Modules: ``endpoint`` (resolved address), ``tls``, ``stream`` (bytes on a socket), ``http_channel`` (HTTP requests on a
stream), ``connection`` (base of a Socket.IO connection), ``websocket``, ``polling``, ``upgrade`` (connections over each
transport), ``transport_choice``, ``legacy_protocol`` (servers that implement only the guide), ``observer`` (callbacks
for all input), ``driver``. Nothing here blocks: sockets and timers call back from gevent's hub, so that a connection
needs no greenlet.
"""
