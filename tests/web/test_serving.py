from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession

from chatws.server.frontend import client_asset
from chatws.server.frontend.bundle import FOLDER, load_manifest
from chatws.server.frontend.static import ROOT as WEB
from chatws.server.frontend.static import VENDOR, find_web_files
from tests.support.chat import RunningChat

pytestmark = pytest.mark.usefixtures("assets")

ROOT = Path(__file__).parent.parent.parent


async def fetch(chat: RunningChat, path: str, **headers: str) -> tuple[ClientResponse, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with chat.http.get(chat.url + path, headers=named, allow_redirects=False) as response:
        return response, await response.read()


async def fetch_raw(chat: RunningChat, path: str, accepted: str) -> tuple[ClientResponse, bytes]:
    """Fetch without decompression."""
    headers = {"Accept-Encoding": accepted}
    async with ClientSession(auto_decompress=False) as http, http.get(chat.url + path, headers=headers) as response:
        return response, await response.read()


def remove_assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Simulate an installation without npm."""
    files = {address: file for address, file in find_web_files().items() if file.path.parent != VENDOR}
    compiled = [address for address in files if address.startswith("/admin/src/")]
    for address in compiled:
        del files[address]
    monkeypatch.setattr("chatws.server.frontend.pages.find_web_files", lambda: files)
    monkeypatch.setattr("chatws.server.frontend.pages.VENDOR", tmp_path)


def policy_of(response: ClientResponse) -> dict[str, list[str]]:
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    return {name: values for name, *values in parts}


async def test_official_client_is_served_under_the_paths_of_the_node_server(chat: RunningChat) -> None:
    for name in sorted(client_asset.CLIENT_FILES):
        response, body = await fetch(chat, f"/socket.io/{name}")
        assert (response.status, len(body) > 30_000) == (200, True), name
        assert response.content_type == ("application/json" if name.endswith(".map") else "text/javascript")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_pinned_version_and_integrity_match_the_build() -> None:
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["hooks"]["custom"]
    assert hook["packages"]["socket.io-client"]["version"] == client_asset.VERSION
    digest = hashlib.sha384((VENDOR / "socket.io.min.js").read_bytes()).digest()
    assert f"sha384-{base64.b64encode(digest).decode()}" == client_asset.MINIFIED_SRI
    assert (VENDOR / "LICENSE.socket.io-client").exists()


async def test_current_etag_gets_304_and_an_outdated_one_the_content(chat: RunningChat) -> None:
    for path in ("/core/chat-client.js", "/websocket-test.html", "/socket.io/socket.io.min.js"):
        first, body = await fetch(chat, path)
        cached, empty = await fetch(chat, path, If_None_Match=first.headers["ETag"])
        assert (cached.status, empty) == (304, b"")
        assert cached.headers["ETag"] == first.headers["ETag"]
        outdated, content = await fetch(chat, path, If_None_Match='"something-else"')
        assert (outdated.status, content) == (200, body)
        assert first.headers["Cache-Control"] == "no-cache"


async def test_bundle_is_immutable_and_compressed_as_the_client_accepts(chat: RunningChat) -> None:
    for name in ("script", "style"):
        path = f"/{FOLDER}/{getattr(load_manifest(WEB).pages['widget/chatbot-iframe.html'], name)}"
        bodies = {}
        for accepted, coding in (("gzip, br", "br"), ("br;q=0, gzip", "gzip"), ("identity", None)):
            response, bodies[coding] = await fetch_raw(chat, path, accepted)
            assert response.headers.get("Content-Encoding") == coding
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert response.headers["Vary"] == "Accept-Encoding, Origin"
        assert gzip.decompress(bodies["gzip"]) == bodies[None]
        assert len(bodies["br"]) < len(bodies["gzip"]) < len(bodies[None]) / 2


async def test_snippet_is_minified_compressed_and_revalidated(chat: RunningChat) -> None:
    response, body = await fetch_raw(chat, "/widget/embed.js", "br")
    assert (response.headers["Content-Encoding"], response.headers["Cache-Control"]) == ("br", "no-cache")
    assert len(body) < len((WEB / "widget" / "embed.js").read_bytes()) / 2


async def test_changed_source_disables_the_bundle(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / "page.js").write_text("1;")
    digest = hashlib.sha256(b"1;").hexdigest()
    manifest = {"scripts": {"a": "b"}, "sources": {"page.js": digest}}
    (tmp_path / FOLDER / "manifest.json").write_text(json.dumps(manifest))
    assert load_manifest(tmp_path).scripts == {"a": "b"}
    (tmp_path / "page.js").write_text("2;")
    assert load_manifest(tmp_path).scripts == {}


async def test_pages_allow_no_inline_script_and_no_external_source(chat: RunningChat) -> None:
    for path in ("/websocket-test.html", "/widget/chatbot-iframe.html", "/admin/"):
        response, body = await fetch(chat, path)
        policy = policy_of(response)
        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == ["'self'"]
        assert policy["require-trusted-types-for"] == ["'script'"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        text = body.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"(?:src|href)=.?(?:https?:)?//", text), path
        assert not re.search(r"\sstyle=|\son\w+=", text), path


async def test_only_the_widget_may_be_framed_and_only_by_listed_origins(tmp_path: Path) -> None:
    settings = {"cors_origin": ("https://a.example",), "widget_origins": ("https://b.example",)}
    async with RunningChat(tmp_path, **settings) as chat:
        widget, _ = await fetch(chat, "/widget/chatbot-iframe.html")
        assert policy_of(widget)["frame-ancestors"] == ["'self'", "https://a.example", "https://b.example"]
        for path in ("/websocket-test.html", "/admin/"):
            page, _ = await fetch(chat, path)
            assert policy_of(page)["frame-ancestors"] == ["'none'"]


async def test_without_assets_pages_load_the_client_from_a_cdn_with_integrity_and_a_notice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remove_assets(monkeypatch, tmp_path)
    async with RunningChat(tmp_path / "chat") as chat:
        page, body = await fetch(chat, "/websocket-test.html")
        text = body.decode()
        assert client_asset.cdn_tag() in text
        assert client_asset.LOCAL_TAG not in text
        assert "comes from a CDN" in text
        assert policy_of(page)["script-src"] == ["'self'", client_asset.CDN_ORIGIN]
        moved, _ = await fetch(chat, "/socket.io/socket.io.js")
        assert (moved.status, moved.headers["Location"]) == (302, client_asset.cdn_url("socket.io.js"))
        dashboard, explanation = await fetch(chat, "/admin/")
        assert dashboard.status == 404
        assert b"npm" in explanation


async def test_test_page_is_off_in_production_unless_turned_on(tmp_path: Path) -> None:
    async with RunningChat(tmp_path / "a", mode="prod") as chat:
        page, explanation = await fetch(chat, "/websocket-test.html")
        assert page.status == 404
        assert b"test_page=on" in explanation
    async with RunningChat(tmp_path / "b", mode="prod", test_page="on") as chat:
        page, body = await fetch(chat, "/websocket-test.html")
        assert page.status == 200
        assert b'data-mode="prod"' in body


async def test_files_outside_the_catalogue_are_not_served(chat: RunningChat) -> None:
    for path in (
        "/core/",
        "/core/../../pyproject.toml",
        "/core/%2e%2e/%2e%2e/chat.py",
        "/vendor/socket.io.js",
        "/tsconfig.json",
        "/core/protocol.d.ts",
        "/admin/src/services/websocket-client.ts",
        "/socket.io/stamp.json",
    ):
        response, _ = await fetch(chat, path)
        assert response.status == 404, path


async def test_development_token_is_limited_to_own_pages_and_development_mode(tmp_path: Path) -> None:
    async with RunningChat(tmp_path / "a", cors_origin=("*",)) as chat:
        status, reply = await chat.post("/api/dev/token", headers={"Origin": chat.url})
        assert status == 200
        agent = await chat.connect({"token": reply["token"]})
        assert (await agent.call("subscribe_inbox"))["success"]
        for cross_origin in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            status, reply = await chat.post("/api/dev/token", headers=cross_origin)
            assert (status, reply["error"]["code"]) == (403, "forbidden")
    async with RunningChat(tmp_path / "b", mode="prod") as chat:
        assert (await chat.post("/api/dev/token"))[0] == 404
