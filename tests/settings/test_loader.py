from __future__ import annotations

from pathlib import Path

import pytest

from chatws.settings import BadFile, BadValue, Loaded, Settings, UnknownSetting, Value, effective, load, mask_password
from chatws.settings.docs import reference
from chatws.settings.fields import TABLE


def load_here(tmp_path: Path, environ: dict[str, str] | None = None, *assignments: str, **flags: str) -> Loaded:
    layer = {name: Value(text, f"option --{name}") for name, text in flags.items()}
    return load(
        layer, assignments, environ={"XDG_CONFIG_HOME": str(tmp_path / "xdg"), **(environ or {})}, directory=tmp_path
    )


def test_defaults_apply_without_any_source(tmp_path: Path) -> None:
    assert load_here(tmp_path) == Loaded(Settings(), {})


def test_earlier_sources_take_precedence(tmp_path: Path) -> None:
    xdg = tmp_path / "xdg" / "chatws"
    xdg.mkdir(parents=True)
    (xdg / "chatws.toml").write_text("port = 1\nsend_burst = 1\njoin_burst = 1\ntyping_burst = 1\ntotal_burst = 1\n")
    (tmp_path / "chatws.toml").write_text("port = 2\nsend_burst = 2\njoin_burst = 2\ntyping_burst = 2\n")
    given = tmp_path / "given.toml"
    given.write_text("port = 3\nsend_burst = 3\njoin_burst = 3\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "CHATWS_PORT": "4", "CHATWS_SEND_BURST": "4"}
    loaded = load({"port": Value("5", "option --port")}, environ=environ, config_file=given, directory=tmp_path)
    found = loaded.settings
    assert (found.port, found.send_burst, found.join_burst, found.typing_burst, found.total_burst) == (5, 4, 3, 2, 1)
    assert loaded.sources == {
        "port": "option --port",
        "send_burst": "environment variable CHATWS_SEND_BURST",
        "join_burst": str(given),
        "typing_burst": str(tmp_path / "chatws.toml"),
        "total_burst": str(xdg / "chatws.toml"),
    }


def test_variable_of_the_guide_sets_the_origins(tmp_path: Path) -> None:
    loaded = load_here(tmp_path, {"WEBSOCKET_CORS_ORIGIN": "https://a.example, https://b.example"})
    assert loaded.settings.cors_origin == ("https://a.example", "https://b.example")
    assert loaded.sources["cors_origin"] == "environment variable WEBSOCKET_CORS_ORIGIN"


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert load_here(tmp_path, {"CHATWS_TLS_CERT": "", "WEBSOCKET_CORS_ORIGIN": ""}) == Loaded(Settings(), {})


def test_text_that_looks_like_null_stays_text(tmp_path: Path) -> None:
    assert load_here(tmp_path, {"CHATWS_JWT_ISSUER": "null"}).settings.jwt_issuer == "null"


def test_set_accepts_any_setting_and_dashes(tmp_path: Path) -> None:
    assert load_here(tmp_path, None, "send-per-s=2.5").settings.send_per_s == 2.5


@pytest.mark.parametrize(
    ("environ", "assignment", "expected"),
    [
        ({"CHATWS_PROT": "1"}, None, "CHATWS_PROT (in the environment) is not a setting; did you mean CHATWS_PORT?"),
        ({}, "ports=1", "ports (in --set) is not a setting; did you mean port?"),
        ({}, "zzzz=1", "zzzz (in --set) is not a setting; 'chatws config show' lists all settings"),
    ],
)
def test_unknown_name_is_reported_with_the_nearest(
    tmp_path: Path, environ: dict[str, str], assignment: str | None, expected: str
) -> None:
    with pytest.raises(UnknownSetting) as caught:
        load_here(tmp_path, environ, *([assignment] if assignment else []))
    assert str(caught.value) == expected


def test_unknown_key_in_a_file_is_reported_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "chatws.toml").write_text("databse_url = 'x'\n")
    with pytest.raises(UnknownSetting, match=r"databse_url .*chatws\.toml.* did you mean database_url\?"):
        load_here(tmp_path)


def test_variables_of_commands_and_installation_are_ignored(tmp_path: Path) -> None:
    environ = {"CHATWS_TOKEN": "t", "CHATWS_SESSION": "s", "CHATWS_DEBUG": "1", "CHATWS_URL": "http://h"}
    environ |= {"CHATWS_BOT_KEY": "k", "CHATWS_REQUIRE_ASSETS": "1"}
    assert load_here(tmp_path, environ).sources == {}


LIST = "a comma-separated list (an array in a file)"


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("port", "65536", "a whole number from 0 to 65535"),
        ("port", "web", "a whole number from 0 to 65535"),
        ("port", "3000.5", "a whole number from 0 to 65535"),
        ("mode", "production", "one of dev, prod"),
        ("send_per_s", "0", "a number above 0"),
        ("token_ttl_s", "86401", "a whole number from 1 to 86400"),
        (
            "webhook_events",
            "message.deleted",
            f"{LIST} of conversation.handed_off, conversation.updated, message.created",
        ),
    ],
)
def test_bad_value_is_reported_with_setting_source_and_allowed_values(
    tmp_path: Path, name: str, text: str, allowed: str
) -> None:
    variable = f"CHATWS_{name.upper()}"
    with pytest.raises(BadValue) as caught:
        load_here(tmp_path, {variable: text})
    expected = f"setting {name} (from environment variable {variable}) cannot be {text!r}; allowed is {allowed}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("line", ["port = true", "port = []", "cors_origin = [1]", "host = 1", "data_dir = 1"])
def test_file_is_parsed_strictly(tmp_path: Path, line: str) -> None:
    (tmp_path / "chatws.toml").write_text(line)
    with pytest.raises(BadValue):
        load_here(tmp_path)


def test_relative_paths_in_a_file_are_resolved_against_its_directory(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    given = tmp_path / "conf" / "my.toml"
    given.write_text('tls_cert = "cert.pem"\ntls_key = "/etc/key.pem"\n')
    found = load(config_file=given, environ={}, directory=tmp_path).settings
    assert (found.tls_cert, found.tls_key) == (tmp_path / "conf" / "cert.pem", Path("/etc/key.pem"))


@pytest.mark.parametrize("content", [None, b"port = ", b"\xff", pytest.param(b"port = " + b"[" * 20_000, id="deep")])
def test_unusable_file_is_reported_with_its_path(tmp_path: Path, content: bytes | None) -> None:
    given = tmp_path / "given.toml"
    if content is not None:
        given.write_bytes(content)
    with pytest.raises(BadFile, match=r"given\.toml cannot be used"):
        load(config_file=given, environ={}, directory=tmp_path)


def test_effective_lists_every_setting_once_with_its_source(tmp_path: Path) -> None:
    rows = effective(load_here(tmp_path, {"CHATWS_DATABASE_URL": "postgresql://me:hunter2@db/chat"}, port="0"))
    assert [row.name for row in rows] == list(Settings.__struct_fields__)
    by_name = {row.name: row for row in rows}
    assert by_name["port"][1:3] == (0, "option --port")
    assert by_name["host"][1:3] == ("127.0.0.1", "default")
    assert by_name["database_url"].value == "postgresql://me:***@db/chat"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+asyncpg://u:p:w@h/d?ssl=1", "postgresql+asyncpg://u:***@h/d?ssl=1"),
        ("postgresql://h/d?user=u&password=pw&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("redis://:pw@h/0", "redis://:***@h/0"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
    ],
)
def test_passwords_in_urls_are_masked(text: str, shown: str) -> None:
    assert mask_password(text) == shown


def test_reference_page_has_a_row_for_every_setting() -> None:
    page = reference()
    assert all(f"| `{name}` |" in page and row.help in page for name, row in TABLE.items())
    assert str(Path.home()) not in page
