# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Lists of options that engines gave on the device: what is kept, what the facts carry, and when an engine is asked again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import kept_flags

ANSWER: dict[str, Any] = {
    "engine_version": "9.1",
    "options": {"--port": {"kind": "whole"}},
    "removed": {"--old": "use --port"},
    "errors": {},
}
DIGEST = f"sha256:{'ab' * 32}"
CHAT = ["serve", "/models/x", "--port", "8000"]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the kept lists, on a host without environments and images."""
    monkeypatch.setattr(kept_flags, "KEPT", tmp_path / "flags")
    monkeypatch.setattr(kept_flags, "ENGINES", tmp_path / "engines")
    return tmp_path / "flags"


def install(*fingerprints: str) -> None:
    """Current environments, one of each version."""
    folder = kept_flags.ENGINES / "vllm"
    folder.mkdir(parents=True, exist_ok=True)
    for one in fingerprints:
        (folder / f"1.{one}").symlink_to(f"1.{one}-{one}")


def names(folder: Path) -> list[str]:
    """The names of the kept lists."""
    return sorted(path.stem for path in folder.iterdir())


def asked(*argvs: list[str], fingerprint: str = "0123456789ab") -> bool:
    """Whether vLLM need not be asked about these services."""
    return kept_flags.is_asked(
        kept_flags.read("vllm", fingerprint), "vllm", {str(index): argv for index, argv in enumerate(argvs)}
    )


def test_a_list_is_kept_by_engine_and_fingerprint(kept: Path) -> None:
    install("0123456789ab")
    kept_flags.keep("vllm", DIGEST, ANSWER)
    kept_flags.keep("vllm", "0123456789ab", ANSWER, ["aa"])
    assert names(kept) == ["vllm-0123456789ab", "vllm-abababababab"]
    content = {key: ANSWER[key] for key in ("engine_version", "options")}
    assert kept_flags.observe([DIGEST]) == {
        "vllm-0123456789ab": {**content, "accepted": ["aa"]},
        "vllm-abababababab": {**content, "accepted": []},
    }
    found = kept_flags.read("vllm", DIGEST)
    assert found is not None and found["options"] == ANSWER["options"]
    assert kept_flags.read("vllm", f"sha256:{'cd' * 32}") is None


def test_an_engine_is_asked_about_arguments_that_its_parser_has_not_accepted() -> None:
    assert not asked() and not asked(CHAT)
    good, bad = (kept_flags.digest_of("vllm", argv) for argv in (CHAT, [*CHAT, "--bad"]))
    kept_flags.keep("vllm", "0123456789ab", ANSWER, [good], [bad])
    assert asked() and asked(CHAT) and asked(["vllm", *CHAT]), "with or without the engine's own command"
    assert not asked([*CHAT, "--bad"]) and not asked(CHAT, [*CHAT, "--bad"]), "of a refused one nothing is kept"
    assert not asked(["serve", "/models/x", "--port", "8001"]) and not asked(["serve", "/models/x --port 8000"])
    assert not asked(CHAT, fingerprint="another")
    assert kept_flags.is_asked(None, None, {"chat": CHAT}), "a list is stored in the collection"


def test_what_was_accepted_earlier_stays_unless_it_is_refused_now() -> None:
    kept_flags.keep("vllm", "x", ANSWER, ["a", "b", "c"])
    kept_flags.keep("vllm", "x", ANSWER, ["d"], ["b"])
    found = kept_flags.read("vllm", "x")
    assert found is not None and found["accepted"] == ["d", "a", "c"]
    for number in range(kept_flags.MOST_ACCEPTED + 5):
        kept_flags.keep("vllm", "x", ANSWER, [f"new {number}"])
    found = kept_flags.read("vllm", "x")
    assert found is not None and len(found["accepted"]) == kept_flags.MOST_ACCEPTED + 1
    assert found["accepted"][0] == f"new {kept_flags.MOST_ACCEPTED + 4}" and "d" not in found["accepted"]


def test_lists_of_what_is_gone_are_forgotten_and_those_in_use_are_not(kept: Path) -> None:
    used = [f"{index:012d}" for index in range(kept_flags.MOST_KEPT + 1)]
    install(*used)
    for index, one in enumerate(used):
        kept_flags.keep("vllm", one, ANSWER)
        os.utime(kept / f"vllm-{one}.json", (1000 + index, 1000 + index))
    kept_flags.keep("vllm", "gone", ANSWER)
    kept_flags.keep("vllm", "other", ANSWER)
    assert names(kept) == [*(f"vllm-{one}" for one in used), "vllm-other"], "with nine in use a host is idle"
    assert sorted(kept_flags.observe([])) == [f"vllm-{one}" for one in used], "the facts have no others"


def test_of_unused_lists_the_newest_are_kept(kept: Path) -> None:
    for index in range(kept_flags.MOST_KEPT + 3):
        kept_flags.keep("vllm", f"{index:012d}", ANSWER)
        os.utime(kept / f"vllm-{index:012d}.json", (1000 + index, 1000 + index))
    kept_flags.keep("vllm", "last", ANSWER)
    assert len(names(kept)) == kept_flags.MOST_KEPT
    assert "vllm-last" in names(kept) and "vllm-000000000003" not in names(kept)
    assert kept_flags.observe([]) == {}


def test_facts_carry_no_more_options_than_they_should(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("a", "b", "c")
    for time, one in enumerate("abc"):
        kept_flags.keep("vllm", one, ANSWER, ["x"])
        os.utime(kept / f"vllm-{one}.json", (time, time))
    monkeypatch.setattr(kept_flags, "MOST_CARRIED", 2 * len(json.dumps(ANSWER["options"])))
    found = kept_flags.observe([])
    assert [bool(found[f"vllm-{one}"]["options"]) for one in "abc"] == [False, True, True], "the newest"
    assert all(one["accepted"] == ["x"] for one in found.values()), "so that it is not asked again"


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 1, "engine": "vllm"}', '{"schema": 99}'])
def test_a_damaged_list_counts_as_absent(kept: Path, content: str) -> None:
    install("x")
    assert kept_flags.observe([]) == {}
    kept.mkdir()
    (kept / "vllm-x.json").write_text(content)
    assert kept_flags.observe([]) == {}
    assert kept_flags.read("vllm", "x") is None


def test_the_lists_of_images_on_the_host_stay(kept: Path) -> None:
    for index in range(kept_flags.MOST_KEPT + 1):
        kept_flags.keep("vllm", DIGEST if index == 0 else f"{index:012d}", ANSWER, images=[DIGEST])
        path = kept / f"{kept_flags.name_of('vllm', DIGEST if index == 0 else f'{index:012d}')}.json"
        os.utime(path, (1000 + index, 1000 + index))
    assert "vllm-abababababab" in names(kept) and len(names(kept)) == kept_flags.MOST_KEPT
