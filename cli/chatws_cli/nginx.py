"""Renders an nginx configuration for one server or several."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class NginxConfig(NamedTuple):
    """Values of one installation; they are validated before, and inserted without escaping."""

    upstreams: Sequence[str]
    """``host:port`` of each server."""
    upstream_scheme: str
    server_name: str
    listen: str
    certificate: tuple[Path, Path] | None
    """PEM chain and key, if nginx terminates TLS."""
    idle_timeout_s: int
    """Above the longest silence of a connection or of a response."""
    max_body_bytes: int


_TEXT = Template("""\
# chatws behind nginx (1.18 or newer). Put this file into /etc/nginx/conf.d/, check it with `nginx -t`, load it with
# `nginx -s reload`. Start the servers with --prod and with --trusted-proxy and the address nginx reaches them from
# (127.0.0.1 on the same machine), or they see all clients at nginx's address and reject most of them.
# Every client uses two of nginx's worker_connections (nginx.conf).
#
# To remove a server: write `down` behind its address, twice below, run `nginx -s reload`, and stop it with SIGTERM.
# Its clients are notified, reconnect to the other servers, and catch up. Without the first step it rejects new clients
# for the seconds it takes to stop, and they retry. Add it again in the same way.
# After a reload, old nginx processes keep their connections; worker_shutdown_timeout (nginx.conf) limits that.

# A WebSocket is one connection: any server can take it, preferably the one with the fewest.
upstream chatws_any {
    zone chatws_any 128k;
    least_conn;
$any
    keepalive 32;
}

# Long-polling is many requests, all for the server that holds the session. The session id (sid) cannot select it: the
# server creates the id after it was selected. Nor can a cookie: most clients other than browsers store none, and
# widgets on other sites send none. So the client's address selects it. Unlike ip_hash, `consistent` moves only the
# clients of a removed server, and uses the whole address. A client whose address changes, or whose server is removed
# or added again, starts a new session and misses nothing.
upstream chatws_sticky {
    zone chatws_sticky 128k;
    hash $$remote_addr consistent;
$sticky
    keepalive 32;
}

# A polling session that upgrades to WebSocket (it has a sid) must reach its server, too.
map "$$arg_transport:$$arg_sid" $$chatws_upstream {
    default      chatws_sticky;
    "websocket:" chatws_any;
}

map $$http_upgrade $$chatws_connection {
    default upgrade;
    ""      "";
}

server {
    listen $listen;
    server_name $server_name;
$tls
    # Just above the limit of the servers, so that their own error reaches the client.
    client_max_body_size $max_body;

    proxy_http_version 1.1;
    proxy_set_header Host              $$http_host;
    proxy_set_header Upgrade           $$http_upgrade;
    proxy_set_header Connection        $$chatws_connection;
    # Replaced, never appended to: headers sent by a client are not trusted. With another proxy in front of this one,
    # set_real_ip_from and real_ip_header make the client's address the $$remote_addr.
    proxy_set_header X-Forwarded-For   $$remote_addr;
    proxy_set_header X-Forwarded-Proto $$scheme;
    proxy_set_header X-Forwarded-Host  $$http_host;
    proxy_set_header Forwarded         "";

    # No buffering of responses: polls, and replies of bots as an event stream.
    proxy_buffering off;
    # Above the silence between two pings, and above the time a bot may take.
    proxy_read_timeout ${idle_timeout}s;
    proxy_send_timeout ${idle_timeout}s;
    # A server that is down is skipped at once; a POST that may have reached a server is never sent to another one.
    proxy_connect_timeout 2s;
    proxy_next_upstream error timeout;
    proxy_next_upstream_timeout 5s;

    location /socket.io/ {
        # The query contains the session id, which is a credential while the session lasts.
        access_log off;
        proxy_pass $scheme://$$chatws_upstream;
    }

    location / {
        proxy_pass $scheme://chatws_any;
    }

    # Prometheus scrapes each server directly.
    location = /metrics {
        return 404;
    }
}
""")

_TLS = Template("""
    ssl_certificate     "$certificate";
    ssl_certificate_key "$key";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:chatws_tls:10m;
""")

_REDIRECT = Template("""
server {
    listen 80;
    server_name $server_name;
    return 308 https://$$host$$request_uri;
}
""")


def render(proxy: NginxConfig) -> str:
    """Return a configuration file for the ``http`` context."""
    tls, redirect = "", ""
    if proxy.certificate is not None:
        tls = _TLS.substitute(certificate=proxy.certificate[0], key=proxy.certificate[1])
        redirect = _REDIRECT.substitute(server_name=proxy.server_name) if proxy.listen == "443 ssl" else ""
    text = _TEXT.substitute(
        any=_servers(proxy.upstreams),
        sticky=_servers(proxy.upstreams),
        listen=proxy.listen,
        server_name=proxy.server_name,
        scheme=proxy.upstream_scheme,
        tls=tls,
        max_body=proxy.max_body_bytes,
        idle_timeout=proxy.idle_timeout_s,
    )
    return text + redirect


def _servers(upstreams: Sequence[str]) -> str:
    return "\n".join(f"    server {upstream} max_fails=1 fail_timeout=5s;" for upstream in upstreams)
