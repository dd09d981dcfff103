"""OpenAPI 3.1 document of the REST operations."""

from __future__ import annotations

import re

from chatws.protocol import responses
from chatws.protocol.json_schema import REF, Json, describe_types
from chatws.protocol.rest_spec import OPERATIONS, Operation
from chatws.protocol.spec import AGENTS, CUSTOMERS, SERVICES, CommandSpec
from chatws.protocol.webhook_signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from chatws.protocol.webhooks import EVENTS

PAGES: tuple[tuple[str, str, type | None], ...] = (
    ("/health", "Liveness of the process.", responses.Health),
    ("/ready", "Readiness for requests; 503 if not ready.", responses.Ready),
    ("/metrics", "Metrics in the Prometheus text format.", None),
    ("/openapi.json", "This document.", None),
    ("/asyncapi.json", "Description of the events.", None),
)
"""Pages for the operator: path, summary, and the type of a JSON body."""

_SECURITY: Json = {
    "agent": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "customer": {"type": "apiKey", "in": "header", "name": "X-Session-Id"},
    "service": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}


def describe(version: str) -> Json:
    """Return the document for this version of the server."""
    types = [operation.command.payload for operation in OPERATIONS]
    types += [operation.command.reply for operation in OPERATIONS]
    types += [page for _, _, page in PAGES if page is not None]
    types += [body for _, body in EVENTS.values()]
    _, schemas = describe_types([*dict.fromkeys(types), responses.Refused])
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    for path, summary, body in PAGES:
        paths[path] = {"get": {"summary": summary, "security": [], "responses": {"200": _page(body)}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "chatws", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "webhooks": {kind: {"post": _webhook(summary, body)} for kind, (summary, body) in EVENTS.items()},
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def _operation(operation: Operation, schemas: dict[str, Json]) -> Json:
    row = operation.command
    in_path = re.findall(r"{(\w+)}", operation.path)
    described: Json = {
        "summary": row.summary,
        "operationId": row.name,
        "security": _security(row),
        "responses": {"200": _json_body("Success.", row.reply), "default": _json_body("Rejected.", responses.Refused)},
    }
    fields = schemas[_name(row.payload)]
    parameters = [_parameter(name, "path", fields, required=True) for name in in_path]
    others = {name: schema for name, schema in fields["properties"].items() if name not in in_path}
    if operation.method == "GET":
        required = fields.get("required", [])
        parameters += [_parameter(name, "query", fields, required=name in required) for name in others]
    elif others:
        described["requestBody"] = _request_body(others, fields, in_path)
    if parameters:
        described["parameters"] = parameters
    return described


def _webhook(summary: str, body: type) -> Json:
    """Describe a request that the server sends."""
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    ]
    content = {"application/json": {"schema": {"$ref": REF.format(name=_name(body))}}}
    return {
        "summary": summary,
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": content},
        "responses": {"2XX": {"description": "Accepted; after any other response the request is repeated."}},
    }


def _parameter(name: str, place: str, fields: Json, *, required: bool) -> Json:
    return {"name": name, "in": place, "required": required, "schema": fields["properties"][name]}


def _request_body(properties: Json, fields: Json, in_path: list[str]) -> Json:
    required = [name for name in fields.get("required", []) if name not in in_path]
    schema: Json = {"type": "object", "properties": properties, "required": required}
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _security(row: CommandSpec) -> list[Json]:
    schemes = (("agent", AGENTS), ("customer", CUSTOMERS), ("service", SERVICES))
    return [{name: []} for name, roles in schemes if roles <= row.roles]


def _json_body(text: str, body: type) -> Json:
    content = {"application/json": {"schema": {"$ref": REF.format(name=_name(body))}}}
    return {"description": text, "content": content}


def _page(body: type | None) -> Json:
    return {"description": "The page."} if body is None else _json_body("The page.", body)


def _name(payload: object) -> str:
    assert isinstance(payload, type)
    return payload.__name__
