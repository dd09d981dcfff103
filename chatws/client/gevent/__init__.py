"""Client on gevent, for load generators: the session of the SDK with a minimum of CPU per connection.

Modules: ``endpoint`` (resolved address), ``tls``, ``stream`` (bytes on a socket), ``websocket`` (one Socket.IO
connection), ``legacy_protocol`` (servers that implement only the guide), ``driver``. Nothing here blocks: sockets and
timers call back from gevent's hub, so that a connection needs no greenlet.
"""
