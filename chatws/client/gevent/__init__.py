"""The client on gevent, for load generators: the session of the SDK on the least a connection can cost.

Modules: ``address`` (where to connect), ``tls``, ``stream`` (bytes on a socket), ``link`` (one Socket.IO connection),
``guide`` (servers that know only the guide), ``driver`` (the session on it). Nothing here blocks: sockets and timers
call back from gevent's hub, so that a connection needs no greenlet of its own.
"""
