# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A systemd with the unit of the gateway, and an nginx that accepts everything: doubles for module_utils/gateway/deploy.py."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.gateway.deploy import FOLDER, Deployment, Nginx


class FakeNginx(Nginx):
    """Knows the states of systemctl(1), and workers that are replaced at each reload as nginx does (nginx.org, "Controlling nginx")."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.active, self.enabled, self.generation = False, False, 0
        self.orders: list[str] = []
        self.serves: str | None = None  # what the running nginx has read
        self.refuses = ""  # what it says against a configuration
        self.stays = False  # whether it keeps its old configuration at a reload

    def test(self, configuration: Path) -> str:
        self.orders.append("test")
        assert configuration.is_file()
        return self.refuses

    def systemctl(self, *arguments: str) -> str:
        self.orders.append(arguments[0])
        if arguments[0] in ("reload", "restart"):
            if not self.stays or self.serves is None:
                self.generation += not self.stays
                self.serves = (self.root / FOLDER.lstrip("/") / "nginx.conf").read_text(encoding="utf-8")
            self.active = not self.stays or self.active
        if arguments[0] == "enable":
            self.enabled = True
        if arguments[0] == "disable":
            self.active = self.enabled = False
        return ""

    def state(self) -> dict[str, str]:
        return {
            "ActiveState": "active" if self.active else "inactive",
            "UnitFileState": "enabled" if self.enabled else "disabled",
        }

    def workers(self) -> set[str]:
        return {f"worker-{self.generation}"} if self.active else set()

    def journal(self) -> str:
        return "its last words"


def deployment(root: Path) -> tuple[Deployment, FakeNginx]:
    """A device below a folder."""
    nginx = FakeNginx(root)
    return Deployment(nginx, root, settle=0.3), nginx
