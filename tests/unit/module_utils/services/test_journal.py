# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Entries of the journal as people read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.redaction import Secrets
from ansible_collections.jetson.thor.plugins.module_utils.services import journal
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import MARKER, Disk

AT = {"__REALTIME_TIMESTAMP": "1795737600000000"}


def line(message: object, **more: str) -> str:
    found = journal.entry(json.dumps({**AT, "SYSLOG_IDENTIFIER": "thor-chat", **more, "MESSAGE": message}))
    assert found is not None
    return found.line().removeprefix("2026-11-27T00:00:00Z thor-chat: ")


def test_messages_of_every_kind_are_shown() -> None:
    assert line("ready") == "ready"
    assert line("one\ntwo") == "one\n    two"
    assert line(list("nañ".encode("latin-1"))) == "na\ufffd", "not UTF-8: systemd gives bytes"
    assert line(None) == "(too long to be shown)"
    (shown,) = journal.without_secrets([journal.Entry(0, "a", "x" * 10000)], Secrets())
    assert len(shown.text) == journal.LONGEST


def test_a_terminal_gets_nothing_to_obey() -> None:
    assert line("\x1b[31mred\x1b[0m \x1b]0;title\x07 a\rb\tc") == "red ?]0;title? a?b\tc"


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"MESSAGE": "x"}', '{"__REALTIME_TIMESTAMP": "soon"}'])
def test_what_is_no_entry_is_passed_over(text: str) -> None:
    assert journal.entry(text) is None


def test_a_secret_over_two_entries_is_found() -> None:
    entries = [journal.Entry(0, "a", "the key is sesame-op"), journal.Entry(1, "a", "en-2026, as you know")]
    found = journal.without_secrets(entries, Secrets(values=frozenset({"sesame-open-2026"})))
    assert [one.text for one in found] == ["the key is [redacted]", ", as you know"]


def test_a_secret_where_a_long_entry_is_cut_is_found() -> None:
    text = "x " * (journal.LONGEST // 2 - 4) + "sesame-open-2026"
    entry = journal.entry(json.dumps({**AT, "MESSAGE": text}))
    assert entry is not None
    (found,) = journal.without_secrets([entry], Secrets(values=frozenset({"sesame-open-2026"})))
    assert "sesame" not in found.text


def test_the_names_are_those_of_our_services_and_units(tmp_path: Path) -> None:
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    (folder / "thor-chat.service").write_text(f"{MARKER} written by\n", encoding="utf-8")
    (folder / "thor-gateway.service").write_text("# jetson.thor\n", encoding="utf-8")
    (folder / "thor-mine.service").write_text("[Unit]\n", encoding="utf-8")
    assert journal.names(Disk(tmp_path)) == ["chat", "gateway"]


def test_a_command_that_fails_is_refused_with_its_words() -> None:
    with pytest.raises(journal.Refused, match="no luck"):
        journal.run(["sh", "-c", "echo no luck >&2; exit 3"])
    with pytest.raises(journal.Refused, match="No such file"):
        journal.run(["/nowhere/journalctl"])


def test_of_too_long_an_answer_the_newest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LARGEST", 10)
    assert journal.run(["printf", "first\nsecond\nthird\n"]) == "third\n"
