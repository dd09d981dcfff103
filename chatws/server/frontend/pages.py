"""HTTP handlers of pages and their assets."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import ETag, hdrs, web

from chatws.server.frontend.bundle import FOLDER
from chatws.server.frontend.client_asset import CLIENT_FILES, LOCAL_TAG, cdn_tag, cdn_url
from chatws.server.frontend.headers import ASSET_HEADERS, IMMUTABLE_HEADERS, page_headers
from chatws.server.frontend.static import ENCODINGS, VENDOR, WebFile, etag_of, find_manifest, find_web_files
from chatws.settings import Settings

HTML = "text/html"
TEST_PAGE = "/websocket-test.html"
WIDGET_PAGE = "/widget/chatbot-iframe.html"
FRAMED_PAGES = frozenset({WIDGET_PAGE, "/widget/unread.html"})
"""Pages that the launcher embeds in other sites."""
DASHBOARD = "/admin/"
DASHBOARD_CLIENT = "/admin/src/services/websocket-client.js"

_NO_TEST_PAGE = """\
The test page is disabled. It is enabled in development mode, and by --set test_page=on.
"""

_NO_DASHBOARD = """\
This server was installed without npm, so the dashboard could not be compiled.
Install npm, then install chatws again; or use the terminal client:

    chatws agent
"""

_NOTICE = '<p class="notice" role="note">This server has no copy of socket.io-client; it comes from a CDN.</p>'
_NOTICE_PLACEHOLDER = "<!-- notice -->"


class Pages:
    """Pages and assets of the front end, under one server's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files = find_web_files()
        self._bundles = find_manifest().pages
        self._test_page_enabled = settings.test_page == "on" or (settings.test_page == "auto" and settings.is_dev)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add a route for each folder, and for each other file, also of the official client, which may be missing.

        A route for each of a hundred files would take a quarter of the time to create the application.
        """
        paths = self._files.keys() | {f"/socket.io/{name}" for name in CLIENT_FILES}
        folders = {path.split("/")[1] for path in paths if path.count("/") > 1} - {"socket.io"}
        for folder in sorted(folders):
            router.add_get(f"/{folder}/{{path:.+}}", self._handle)
        for path in paths:
            if path.endswith("/") or path.split("/")[1] not in folders:
                router.add_get(path, self._handle)
        router.add_get(DASHBOARD.rstrip("/"), _add_slash)

    async def _handle(self, request: web.Request) -> web.Response:
        file = self._files.get(request.path)
        if file is None or not file.path.exists():
            return _missing_file(request.path)
        if request.path == TEST_PAGE and not self._test_page_enabled:
            return _not_found(_NO_TEST_PAGE)
        if request.path == DASHBOARD and DASHBOARD_CLIENT not in self._files:
            return _not_found(_NO_DASHBOARD)
        if file.content_type == HTML:
            return self._serve_page(request, file)
        return _respond_with_file(request, file)

    def _serve_page(self, request: web.Request, file: WebFile) -> web.Response:
        """Serve a page with the server's mode and the location of the official client filled in."""
        text = file.read().decode()
        from_cdn = not (VENDOR / "socket.io.min.js").exists()
        if from_cdn:
            text = text.replace(LOCAL_TAG, cdn_tag()).replace(_NOTICE_PLACEHOLDER, _NOTICE)
        elif bundle := self._bundles.get(request.path.removeprefix("/")):
            text = bundle.insert_into(text)
        if self._settings.is_dev:
            text = text.replace('data-mode="prod"', 'data-mode="dev"', 1)
        framed_by = self._widget_ancestors() if request.path in FRAMED_PAGES else ()
        return _respond(request, text.encode(), HTML, page_headers(framed_by=framed_by, from_cdn=from_cdn))

    def _widget_ancestors(self) -> tuple[str, ...]:
        origins = dict.fromkeys((*self._settings.cors_origin, *self._settings.widget_origins))
        return ("'self'", *origins)


def _respond_with_file(request: web.Request, file: WebFile) -> web.Response:
    """Send a file, compressed if the build compressed it and the client accepts that."""
    is_immutable = request.path.startswith(f"/{FOLDER}/")
    headers = dict(IMMUTABLE_HEADERS if is_immutable else ASSET_HEADERS)
    if file.variants:
        headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        accepted = _accepted_codings(request)
        for coding in ENCODINGS:
            if coding in accepted and coding in file.variants:
                headers[hdrs.CONTENT_ENCODING] = coding
                return _respond(request, file.variants[coding].read(), file.content_type, headers)
    return _respond(request, file.read(), file.content_type, headers)


def _accepted_codings(request: web.Request) -> set[str]:
    """Return the content codings of the Accept-Encoding header, without those of weight 0."""
    accepted = set()
    for element in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        coding, _, weight = element.replace(" ", "").partition(";q=")
        if not weight or weight.strip("0."):
            accepted.add(coding)
    return accepted


def _respond(request: web.Request, body: bytes, content_type: str, headers: Mapping[str, str]) -> web.Response:
    etag = etag_of(body)
    if any(known.value in {etag, "*"} for known in request.if_none_match or ()):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    else:
        response = web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
    response.etag = ETag(etag)
    return response


def _missing_file(path: str) -> web.Response:
    name = path.removeprefix("/socket.io/")
    if name in CLIENT_FILES:
        return web.Response(status=HTTPStatus.FOUND, headers={hdrs.LOCATION: cdn_url(name)})
    return _not_found("There is no such file.\n")


def _not_found(text: str) -> web.Response:
    """Return a 404 with an explanation; the status keeps browsers from using the text as a page or a script."""
    return web.Response(status=HTTPStatus.NOT_FOUND, text=text)


async def _add_slash(request: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={hdrs.LOCATION: DASHBOARD})
