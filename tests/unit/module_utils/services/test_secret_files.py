# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that hold the secrets of services: who may read them, when they change, when they go."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import (
    FOLDER,
    SecretFiles,
    digest,
    render,
)
from hypothesis import given
from hypothesis import strategies as st
from random_inventories import texts

TOKEN = "hf_veryverysecret"


def test_a_file_is_root_s_alone_and_is_never_changed(tmp_path: Path) -> None:
    os.umask(0o022)
    files = SecretFiles(tmp_path)
    first = files.write("chat", {"HF_TOKEN": TOKEN})
    path = tmp_path / FOLDER / f"chat-{first}.env"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert files.tag("chat", {"HF_TOKEN": TOKEN}) == first
    assert files.tag("chat", {"HF_TOKEN": "another-one"}) is None
    assert files.tag("cha", {"HF_TOKEN": TOKEN}) is None
    second = files.write("chat", {"HF_TOKEN": "another-one"})
    assert second != first and TOKEN in path.read_text(encoding="utf-8")
    path.chmod(0o644)
    assert files.tag("chat", {"HF_TOKEN": TOKEN}) is None, "a file that others have read is not used again"


def test_services_read_beside_the_folder_whatever_root_s_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        SecretFiles(tmp_path).write("chat", {"HF_TOKEN": TOKEN})
    finally:
        os.umask(before)
    assert (tmp_path / "etc/thor").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700


def test_the_observation_names_the_files_of_these_secrets_and_says_whether_there_are_others(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    key = "used once"
    assert files.observe(key, {"chat": digest(key, {"A": "1"})}) == {"tags": {}, "unused": False}
    tag = files.write("chat", {"A": "1"})
    seen = files.observe(key, {"chat": digest(key, {"A": "1"}), "ear": digest(key, {"A": "1"})})
    assert seen == {"tags": {"chat": tag}, "unused": False}
    assert files.observe(key, {"chat": digest("another key", {"A": "1"})})["tags"] == {}
    changed = files.observe(key, {"chat": digest(key, {"A": "2"})})
    assert changed == {"tags": {}, "unused": True}, "no definition names the file"
    (files.folder / f"chat-{tag}.env").chmod(0o644)
    assert files.observe(key, {"chat": digest(key, {"A": "1"})})["tags"] == {}


def test_a_file_that_a_switch_would_bring_back_stays(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    tag = files.write("chat", {"A_KEY": TOKEN})
    old = tmp_path / "etc/systemd/system/.thor-chat.service.old"
    old.parent.mkdir(parents=True)
    old.write_text(f"EnvironmentFile=/{FOLDER}/chat-{tag}.env\n", encoding="utf-8")
    assert not list(files.unused({}))


def test_files_that_no_definition_names_are_removed(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    tags = [files.write("chat", {"A_KEY": f"{TOKEN}{number}"}) for number in range(4)]
    unit = tmp_path / "etc/systemd/system/thor-chat.service"
    record = tmp_path / "var/lib/thor/before.json"
    for place, tag in ((unit, tags[0]), (record, tags[1])):
        place.parent.mkdir(parents=True)
        place.write_text(f"EnvironmentFile=/{FOLDER}/chat-{tag}.env\n", encoding="utf-8")
    (tmp_path / FOLDER / "chat-00000000.partial").write_text("cut off", encoding="utf-8")
    unused = [path.name for path in files.unused({"chat": tags[2]})]
    assert unused == sorted(["chat-00000000.partial", f"chat-{tags[3]}.env"])
    assert list(SecretFiles(tmp_path / "nowhere").unused({})) == []


@given(st.dictionaries(st.sampled_from(["A_KEY", "B"]), texts().map(lambda one: one.replace("\n", "")), min_size=1))
def test_a_file_says_what_was_meant(values: dict[str, str]) -> None:
    # systemd reads such a file as a shell does (systemd.exec(5), EnvironmentFile=).
    script = render(values) + b"".join(b'printf "%%s\\0" "$%s"\n' % key.encode() for key in sorted(values))
    done = subprocess.run(["sh"], input=script, capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [values[key] for key in sorted(values)] and done.stderr == b""
