"""Mapping files and the translation between the guide's events and a server's."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatws.client.mapping import (
    GUIDE_MAPPING,
    AckShapeError,
    CompiledMapping,
    MappingError,
    NotMapped,
    ServerMapping,
    ServerTranslator,
    mapping_schema,
    read_mapping,
)

REPOSITORY = Path(__file__).parent.parent.parent
EXAMPLE = REPOSITORY / "examples" / "other-server" / "mapping.toml"
MINIMAL = """
[auth]
agent = { name = "{credential}" }
customer = { name = "{credential}" }
[join]
event = "enter"
args = ["{conversationId}"]
[send]
event = "say"
args = ["{content}"]
ack = { kind = "empty" }
[message_received]
event = "said"
content = "text"
"""


def translator(mapping: ServerMapping, credentials: dict[str, object] | None = None) -> ServerTranslator:
    """Return a translator of an authenticated customer."""
    created = ServerTranslator(CompiledMapping(mapping))
    created.connect(credentials or {"sessionId": "ann"})
    return created


def parse(tmp_path: Path, text: str) -> ServerMapping:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    return read_mapping(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[auth]", "[auth", "mapping.toml:2: not TOML"),
        ('content = "text"', "", "mapping.toml:12: message_received.content: it is missing"),
        ("[send]", "[sent]", "mapping.toml:8: sent: unknown key; allowed: server, auth"),
        ("{content}", "{text}", "mapping.toml:10: send.args: unknown placeholder {text}; allowed: {content}"),
        ("{content}", "{content", "mapping.toml:10: send.args: unbalanced brace"),
        ("{content}", "hello", "mapping.toml:10: send.args: no value is {content}"),
        ("{conversationId}", "{content}", "mapping.toml:7: join.args: unknown placeholder {content}; allowed: {conv"),
        (
            'content = "text"',
            'content = "text..x"',
            "mapping.toml:14: message_received.content: 'text..x' is not a path",
        ),
        ('content = "text"', 'content = "{text}"', "mapping.toml:14: message_received.content: '{text}' is not a path"),
        ('content = "text"', "content = 7", "mapping.toml:14: message_received.content: expected text, got a number"),
        ('"empty"', '"full"', "mapping.toml:11: send.ack.kind: unknown value 'full'; allowed: value, empty"),
        ('kind = "empty"', "", 'mapping.toml:11: send.ack: kind = "value" needs `success` or `error`'),
        ('"said"', '"disconnect"', "mapping.toml:13: message_received.event: Socket.IO reserves the event name"),
        ("[join]", '[server]\npath = "chat"\n[join]', "mapping.toml:6: server.path: 'chat' does not begin"),
        ("[join]", "[roles]\nboss = [1]\n[join]", "mapping.toml:6: roles.boss: unknown name; allowed: admin, customer"),
        ("[join]", '[authenticated]\nsource = "ack"\n[join]', 'mapping.toml:6: authenticated.source: "ack" needs'),
        ('"{conversationId}"]', '"{conversationId}"]\nconfirmed_by = "ack"', "mapping.toml:8: join.confirmed_by"),
    ],
)
def test_invalid_file_is_reported_with_line_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in MINIMAL
    with pytest.raises(MappingError) as caught:
        parse(tmp_path, MINIMAL.replace(old, new, 1))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path) -> None:
    large, binary, deep = tmp_path / "large", tmp_path / "binary", tmp_path / "deep"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    binary.write_bytes(b"\xff\xfe\x00")
    deep.write_text("a = " + "[" * 20_000)
    for path, words in (
        (tmp_path, "Is a directory"),
        (tmp_path / "nowhere", "No such file"),
        (large, "larger than"),
        (binary, "not UTF-8"),
        (deep, "nested too deeply"),
    ):
        with pytest.raises(MappingError) as caught:
            read_mapping(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert words in str(caught.value)


def test_page_has_every_key_with_the_values_of_the_guide(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "other-servers.md").read_text()
    text = page.partition("<!-- complete mapping: begin -->")[2].partition("<!-- complete mapping: end -->")[0]
    mapping = parse(tmp_path, text.strip().removeprefix("```toml").removesuffix("```"))
    assert msgspec.structs.replace(mapping, roles={}, statuses={}) == GUIDE_MAPPING
    fields = tomllib.loads(text.strip().removeprefix("```toml").removesuffix("```"))
    assert set(fields) == set(ServerMapping.__struct_fields__)
    for name, table in fields.items():
        described = getattr(mapping, name)
        if isinstance(described, msgspec.Struct):
            assert set(table) == set(described.__struct_fields__), name
    assert set(fields["send"]["ack"]) == set(mapping.send.ack.__struct_fields__)


def test_schema_describes_every_table() -> None:
    schema = mapping_schema()
    [definition] = [row for name, row in schema["$defs"].items() if name == "ServerMapping"]
    assert set(definition["properties"]) == set(ServerMapping.__struct_fields__)
    assert definition["additionalProperties"] is False


def test_mapping_survives_the_way_to_a_load_process() -> None:
    mapping = read_mapping(EXAMPLE)
    assert msgspec.json.decode(msgspec.json.encode(mapping), type=ServerMapping) == mapping


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("join_conversation", "c1"),
        ("leave_conversation", "c1"),
        ("typing_start", "c1"),
        ("send_message", {"conversationId": "c1", "content": "hi"}),
    ],
)
def test_guide_mapping_keeps_names_and_payloads(name: str, payload: object) -> None:
    outgoing = translator(GUIDE_MAPPING).command(name, payload)
    assert (outgoing.name, outgoing.args) == (name, [payload])


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("authenticated", {"userId": "u", "userName": "Ann", "role": "admin"}),
        ("joined_conversation", {"conversationId": "c1"}),
        ("typing_indicator", {"userId": "u", "userName": "Ann", "isTyping": True}),
        ("presence_update", {"userId": "u", "status": "away", "timestamp": "2026-01-01T00:00:00Z"}),
        ("error", {"message": "no"}),
        (
            "message_received",
            {
                "conversationId": "c1",
                "content": "hi",
                "sender": {"userId": "u", "userName": "Ann", "role": "admin"},
                "timestamp": "2026-01-01T00:00:00Z",
            },
        ),
    ],
)
def test_guide_mapping_keeps_events(name: str, payload: dict[str, Any]) -> None:
    assert translator(GUIDE_MAPPING).events(name, [payload]) == [(name, payload)]


def test_template_keeps_types_and_leaves_out_what_has_no_value(tmp_path: Path) -> None:
    body = '{ body = { text = "{content}" }, id = "{clientMessageId}", by = "<{userId}>{{}}" }'
    args = f'args = [{body}, "{{clientMessageId}}", 7]'
    mapping = parse(tmp_path, MINIMAL.replace('args = ["{content}"]', args))
    outgoing = translator(mapping).command("send_message", {"conversationId": "c1", "content": {"a": 1}})
    assert outgoing.args == [{"body": {"text": {"a": 1}}, "by": "<ann>{}"}, None, 7]


def test_field_outside_the_guide_is_added_so_that_a_check_can_forge_it() -> None:
    mapping = read_mapping(EXAMPLE)
    payload = {"conversationId": "c1", "content": "hi", "sender": "another"}
    [args] = translator(mapping).command("send_message", payload).args
    assert args == {"room": "c1", "text": "hi", "sender": "another"}


def test_event_without_a_conversation_belongs_to_the_one_joined_last(tmp_path: Path) -> None:
    client = translator(parse(tmp_path, MINIMAL))
    client.command("join_conversation", "c1")
    assert client.events("said", [{"text": "hi"}]) == [("message_received", {"content": "hi", "conversationId": "c1"})]


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("epoch_ms", 1_767_225_600_123, "2026-01-01T00:00:00.123Z"),
        ("epoch_s", 1_767_225_600.5, "2026-01-01T00:00:00.500Z"),
        ("iso", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("epoch_ms", "yesterday", "yesterday"),
        ("epoch_s", 10**30, 10**30),
    ],
)
def test_timestamp_becomes_iso_and_an_unreadable_one_is_kept(
    tmp_path: Path, form: str, value: object, expected: object
) -> None:
    mapping = parse(tmp_path, MINIMAL + f'timestamp = "at"\ntimestamp_format = "{form}"\n')
    [(_, fields)] = translator(mapping).events("said", [{"text": "hi", "at": value}])
    assert fields["timestamp"] == expected


def test_two_events_stand_for_the_start_and_the_end_of_typing(tmp_path: Path) -> None:
    typing = '[typing_indicator]\nevent = "typing"\nstop_event = "stop typing"\nuser_id = "@0"\n'
    client = translator(parse(tmp_path, MINIMAL + typing))
    assert client.events("typing", [42]) == [("typing_indicator", {"userId": "42", "isTyping": True})]
    assert client.events("stop typing", [42]) == [("typing_indicator", {"userId": "42", "isTyping": False})]


@pytest.mark.parametrize(
    ("ack", "values", "expected"),
    [
        ('success = "ok"', [{"ok": True}], True),
        ('success = "ok"', [{"ok": False}], False),
        ('success = "ok"', [{"ok": "yes"}], None),
        ('success = "ok"', [], None),
        ('success = "ok"', ["ok"], None),
        ('success = "@0"\nequals = "ok"', ["ok"], True),
        ('success = "@0"\nequals = "ok"', ["no"], False),
        ('error = "@0"', [None, {"id": 1}], True),
        ('error = "@0.message"', [{"message": "full"}], False),
        ('error = "@0"', [], None),
        ('kind = "empty"', [], True),
        ('kind = "empty"', [None], True),
        ('kind = "empty"', [{"ok": True}], None),
    ],
)
def test_ack_is_accepted_refused_or_of_another_shape(
    tmp_path: Path, ack: str, values: list[object], expected: bool | None
) -> None:
    table = ", ".join(ack.splitlines())
    client = translator(parse(tmp_path, MINIMAL.replace('kind = "empty"', table)))
    if expected is None:
        with pytest.raises(AckShapeError):
            client.reply("send_message", values)
    else:
        reply = client.reply("send_message", values)
        assert reply is not None
        assert reply["success"] is expected


def test_command_or_event_that_is_not_mapped_is_refused_but_unknown_names_pass(tmp_path: Path) -> None:
    client = translator(parse(tmp_path, MINIMAL))
    for name in ("typing_start", "mark_read", "history"):
        with pytest.raises(NotMapped, match=name):
            client.command(name, "c1")
    with pytest.raises(NotMapped, match="presence_update"):
        client.require_event("presence_update")
    assert client.command("no_such_event", {"a": 1}).args == [{"a": 1}]
    assert client.events("their own", [1]) == [("their own", 1)]
    assert client.events("presence_update", [{"userId": 1}]) == []


def test_credentials_go_where_the_mapping_says(tmp_path: Path) -> None:
    query = parse(tmp_path, MINIMAL.replace("[auth]", '[auth]\nmethod = "query"'))
    request = ServerTranslator(CompiledMapping(query)).connect({"token": "a&b"})
    assert (request.query, request.auth, request.headers) == ("&name=a%26b", None, {})
    headers = parse(tmp_path, MINIMAL.replace("[auth]", '[auth]\nmethod = "headers"'))
    assert ServerTranslator(CompiledMapping(headers)).connect({"token": "t"}).headers == {"name": "t"}
    event = MINIMAL.replace("[auth]", '[auth]\nmethod = "event"\nevent = "login"').replace(
        'agent = { name = "{credential}" }', 'agent = ["{credential}", "staff"]'
    )
    client = ServerTranslator(CompiledMapping(parse(tmp_path, event)))
    assert client.connect({"token": "t"}).auth is None
    outgoing = client.sign_in({"token": "t"})
    assert (outgoing.name, outgoing.args) == ("login", ["t", "staff"])
