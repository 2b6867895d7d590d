# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the pages, unchanged and in order, as people type them: from a checkout, against a sandbox host.

What a person has to bring is provided: the device's address in the copy of the example inventory, what the sandbox has instead of a GPU and
of modelscope.cn (inventories/sandbox), and an ssh configuration, in which the pages' host is a sandbox host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import blocks
import pytest
import yaml
from blocks import ROOT, Block

HOST = os.environ.get("THOR_DOCUMENTATION_HOST", "thor02")
CONTAINERS_HOST = os.environ.get("THOR_DOCUMENTATION_CONTAINERS_HOST", "thor04")
HERE = [
    block for block in blocks.blocks() if block.kind == "here" and (block.language == "sh" or blocks.files_of(block))
]
# A person stops following a journal with a key. Everything else ends by itself.
SSH = """#!/bin/sh
case " $* " in
    *" journalctl -f"*) timeout 5 {ssh} -F {config} "$@"; [ $? = 124 ] ;;
    *) exec {ssh} -F {config} "$@" ;;
esac
"""
CONFIG = """Host *
    HostName 127.0.0.1
    Port {port}
    User nvidia
    HostKeyAlias {hostkeyalias}
    IdentityFile {identityfile}
    IdentitiesOnly yes
    UserKnownHostsFile {userknownhostsfile}
    StrictHostKeyChecking yes
    LogLevel ERROR
"""
# The profile of the example, with a model that a machine without a GPU can serve.
SMALL = {
    "modelscope": "sandbox/tiny-GGUF",
    "file": "tiny-q8_0.gguf",
    "bytes": 5922016,
}


@dataclass
class Desk:
    """A person's machine: a home, a checkout, and otherwise only what the pages say to create."""

    folder: Path
    done: set[str] = field(default_factory=set)

    @property
    def home(self) -> Path:
        """The home directory."""
        return self.folder / "home"

    @property
    def checkout(self) -> Path:
        """A copy of everything under version control, including uncommitted changes."""
        return self.folder / "jetson.thor"

    def set_up(self) -> None:
        """Make home and checkout."""
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listing.stdout.decode().split("\0")):
            if (ROOT / name).is_symlink() or (ROOT / name).is_file():
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.checkout / name, follow_symlinks=False)
        model = self.home / "models" / "Qwen3-8B-GGUF"
        model.mkdir(parents=True)
        (model / "small.gguf").write_bytes(b"GGUF")
        pip = Path.home() / ".config" / "pip"
        if pip.is_dir():
            shutil.copytree(pip, self.home / ".config" / "pip")

    def reach(self, host: str) -> None:
        """Make every address lead to a sandbox host."""
        asked = subprocess.run(
            ["ssh", "-G", "-F", str(ROOT / ".sandbox" / "ssh_config"), host], capture_output=True, text=True, check=True
        )
        known = dict(line.split(" ", 1) for line in asked.stdout.splitlines() if " " in line)
        config, program = self.folder / "ssh_config", self.folder / "bin" / "ssh"
        config.write_text(CONFIG.format_map(known), encoding="utf-8")
        program.parent.mkdir(exist_ok=True)
        program.write_text(SSH.format(ssh=shutil.which("ssh"), config=config), encoding="utf-8")
        program.chmod(0o755)
        address = subprocess.run(
            ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), host, "hostname -I"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[0]
        # The machine of the sandbox reaches its network. A person's DNS, or /etc/hosts, knows the name.
        (self.home / ".curlrc").write_text(f'resolve = "thor01:443:{address}"\n', encoding="utf-8")

    def lay_in(self) -> None:
        """What a person writes into the copy of the example inventory: the address, and here the sandbox's substitutes for a device."""
        fleet = self.checkout / "inventories" / "fleet"
        if not fleet.exists():
            return
        hosts = fleet / "hosts.yml"
        hosts.write_text(hosts.read_text(encoding="utf-8").replace("192.0.2.11", "127.0.0.1"), encoding="utf-8")
        text = (ROOT / "inventories/sandbox/group_vars/all.yml").read_text(encoding="utf-8")
        sandbox: dict[str, Any] = yaml.safe_load(text)
        for name in (
            "thor_profiles",
            "ansible_ssh_common_args",
            "ansible_control_path",
            "container_runtime_toolkit_key_fingerprint",
        ):
            del sandbox[name]
        sandbox["thor_extra_models"]["qwen3-8b-q5-k-m"] = SMALL
        # Its context is a tenth of the real one, too small for eight prompts at once.
        # The speed of a busy machine does not matter here.
        sandbox |= {"bench_concurrency": [1], "bench_requests": 3, "thor_bench_floor": 0.01}
        (fleet / "group_vars" / "thor.yml").write_text(yaml.safe_dump(sandbox), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """The environment of a new terminal, with .venv active once it exists."""
        foreign = re.compile(r"(ANSIBLE|MOLECULE|PYTEST|PYTHON|VIRTUAL_ENV|THOR)")
        own = str(ROOT / ".venv")
        path = [one for one in os.environ["PATH"].split(":") if not str(Path(one).absolute()).startswith(own)]
        path = [one for one in path if Path(one).resolve() != (ROOT / ".venv" / "bin").resolve()]
        active = [str(self.checkout / ".venv" / "bin")]
        return {
            **{name: value for name, value in os.environ.items() if not foreign.match(name)},
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": ":".join([str(self.folder / "bin"), *active, *path]),
        }

    def run(self, block: Block) -> str:
        """Run a block; its output. A command that several pages have runs once."""
        lines = [line for line in block.text.splitlines() if _bare(line) not in self.done]
        argv = ["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)]
        if block.detail == "on the device":
            argv = ["ssh", "thor01", "bash", "-e", "-o", "pipefail"]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.run(
                argv,
                cwd=self.checkout,
                env=self.environment(),
                input=block.text if block.detail == "on the device" else "",
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=600,
            )
            output.seek(0)
            said = output.read()
        assert process.returncode == 0, said
        self.done |= {_bare(line) for line in lines if line.startswith("ansible-playbook ")}
        return said


def _bare(line: str) -> str:
    """A command without the page's comment after it."""
    return re.sub(r"\s+#.*$", "", line)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """One desk for all blocks: a page continues with the results of the page before it."""
    # A short path, because a control socket of ssh is in it.
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        desk = Desk(Path(folder))
        desk.set_up()
        desk.reach(HOST)
        # A device does not have this mount, and removes its own files there. Here all hosts share this compiler cache.
        subprocess.run(
            ["ssh", "thor01", "! mountpoint -q /var/lib/thor/ccache || sudo umount /var/lib/thor/ccache"],
            env=desk.environment(),
            check=True,
            timeout=60,
        )
        yield desk


@pytest.mark.parametrize("block", HERE, ids=lambda block: block.place)
def test_the_commands_of_a_page_do_what_it_says(desk: Desk, block: Block) -> None:
    desk.reach(CONTAINERS_HOST if block.detail == "with containers" else HOST)
    for path, text in blocks.files_of(block).items():
        (desk.checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (desk.checkout / path).write_text(text, encoding="utf-8")
        desk.done.clear()  # a command does something else with another inventory
    said = desk.run(block) if block.language == "sh" else ""
    desk.lay_in()
    # Commands that succeed without having done what they should.
    for nothing in ("No entries", "Nothing to do", '{"error"', "Permission denied"):
        assert nothing not in said, said
