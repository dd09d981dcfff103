"""Format of recordings: what is written is read again; broken files are refused with the place of the fault."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it has no types
import msgspec
import pytest

from chatws_loadtest.chatlog.errors import BrokenLine, ChatlogUnreadable, NewerVersion
from chatws_loadtest.chatlog.pseudonyms import Pseudonyms
from chatws_loadtest.chatlog.reader import read_chatlog
from chatws_loadtest.chatlog.records import (
    AckRecord,
    CloseRecord,
    FlagRecord,
    IdentityRecord,
    InRecord,
    MarkRecord,
    OpenRecord,
    OutRecord,
    Record,
    RuleRecord,
    UpgradeRecord,
    json_schema,
)
from chatws_loadtest.chatlog.writer import ChatlogWriter

EVERY_KIND: list[Record] = [
    OpenRecord(t=0.1, c=1, transport="polling"),
    IdentityRecord(t=0.2, c=1, user="u1", role="customer"),
    UpgradeRecord(t=0.3, c=1),
    OutRecord(t=0.4, c=1, event="send_message", ack=3, room="r1", size=120, chars=40, key="k1"),
    RuleRecord(t=0.45, rule="delay ack of send_message 50ms", c=1),
    AckRecord(t=0.5, c=1, ack=3, ok=True, message="m1", seq=1, size=80),
    InRecord(t=0.6, c=1, event="message_received", room="r1", size=200, message="m1", seq=1, key="k1", user="u1"),
    FlagRecord(t=0.7, flag="duplicate", c=1, message="m1", detail="received twice"),
    MarkRecord(t=0.8, text="server killed"),
    CloseRecord(t=0.9, c=1, by="server", code=1012, reason="restart"),
]

KILLED = """
import os, signal, sys
from pathlib import Path
from chatws_loadtest.chatlog.records import MarkRecord
from chatws_loadtest.chatlog.writer import ChatlogWriter

writer = ChatlogWriter(Path(sys.argv[1]), "tap", "http://127.0.0.1:3000")
for number in range(3000):
    writer.write(MarkRecord(t=writer.t(), text=f"{number} " + 200 * "x"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_records_of_every_kind_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    with ChatlogWriter(file, "tap", "https://user:password@chat.example/path?token=secret") as writer:
        for record in EVERY_KIND:
            writer.write(record)
    log = read_chatlog(file)
    assert log.records == EVERY_KIND
    assert (log.header.source, log.header.url, log.duration_s) == ("tap", "https://chat.example/path", 0.9)
    assert not log.is_cut


def test_every_line_is_valid_under_the_published_schema(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    with ChatlogWriter(file, "run", "http://127.0.0.1:3000") as writer:
        for record in EVERY_KIND:
            writer.write(record)
    validator = jsonschema.Draft202012Validator(json_schema())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == len(EVERY_KIND) + 1
    for line in lines:
        validator.validate(line)
    assert not validator.is_valid({"type": "open", "t": 0})


def test_killed_writer_leaves_a_readable_file(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert ended.returncode == -signal.SIGKILL
    # As if the kernel had written a part of the next line.
    with file.open("ab") as stream:
        stream.write(b'{"type":"mark","t":9')
    log = read_chatlog(file)
    assert log.is_cut
    texts = [record.text.split()[0] for record in log.records if isinstance(record, MarkRecord)]
    assert texts == [str(number) for number in range(len(texts))]
    assert len(texts) > 1000  # 256 KiB are passed to the kernel at once


def test_flushed_records_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    writer = ChatlogWriter(file, "tap", "http://127.0.0.1:3000")
    writer.write(EVERY_KIND[0])
    writer.flush()
    assert read_chatlog(file).records == EVERY_KIND[:1]
    writer.close()


def test_writer_without_interval_has_each_record_in_the_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    writer = ChatlogWriter(file, "run", "http://127.0.0.1:3000", flush_s=0.0)
    for number, record in enumerate(EVERY_KIND, start=1):
        writer.write(record)
        assert read_chatlog(file).records == EVERY_KIND[:number]
    writer.close()


def test_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    file.write_text('{"type":"header","version":2,"somethingNew":[]}\n{"type":"novel"}\n')
    with pytest.raises(NewerVersion, match="version 2 is newer than 1"):
        read_chatlog(file)


@pytest.mark.parametrize(
    "line",
    [
        *("{", '{"type":"novel","t":1}', '{"type":"open","t":1}', "[]", '{"type":"mark","t":"1"}'),
        pytest.param('{"type":"mark","t":1,"new":' + "[" * 100_000, id="deep"),
    ],
)
def test_broken_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.chatlog"
    with ChatlogWriter(file, "tap", "http://127.0.0.1:3000") as writer:
        writer.write(EVERY_KIND[0])
    with file.open("a") as stream:
        stream.write(line + "\n" + msgspec.json.encode(EVERY_KIND[1]).decode() + "\n")
    with pytest.raises(BrokenLine, match="line 3: "):
        read_chatlog(file)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"hello\n", b"\xff\xfe\n", b'{"type":"mark","t":1,"text":"x"}\n'),
        pytest.param(b'{"type":"header","new":' + b"[" * 100_000, id="deep"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.chatlog"
    file.write_bytes(content)
    with pytest.raises(ChatlogUnreadable, match=r"line 1|no recording|the file is empty"):
        read_chatlog(file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChatlogUnreadable, match="No such file"):
        read_chatlog(tmp_path / "none.chatlog")


def test_pseudonyms_are_stable_and_do_not_contain_the_id() -> None:
    names = Pseudonyms()
    assert [names.user("ada"), names.user("bob"), names.user("ada"), names.room("ada")] == ["u1", "u2", "u1", "r1"]
    assert names.message("") == ""
    assert Pseudonyms(with_ids=True).user("ada") == "ada"


def test_number_of_remembered_ids_is_bounded_and_no_name_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatws_loadtest.chatlog.pseudonyms.MAX_IDS", 3)
    names = Pseudonyms()
    assert [names.message(str(number)) for number in range(5)] == ["m1", "m2", "m3", "m4", "m5"]
    assert names.message("4") == "m5"
    assert names.message("0") == "m6"


def test_pseudonyms_of_two_processes_differ() -> None:
    first, second = Pseudonyms(first=0, step=2), Pseudonyms(first=1, step=2)
    assert [first.room("a"), first.room("b"), second.room("c"), second.room("d")] == ["r1", "r3", "r2", "r4"]
