#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for NVIDIA's apt repository of its Container Toolkit: the same packages, versions and layout, other content.

Needs dpkg-deb, apt-ftparchive and gpg. Layout as of ``https://nvidia.github.io/libnvidia-container``: flat, one folder
per architecture::

    key.asc                          the key that signs, made anew with each repository; its secret half is thrown away
    fingerprint                      of that key
    stable/deb/amd64/Packages ...    for `deb [signed-by=...] URL/stable/deb/$(ARCH) /`
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

VERSIONS = ("1.16.2", "1.17.8", "1.18.0", "1.18.1", "1.20.0")
ARCHITECTURES = ("amd64", "arm64")

README = """\
This package is a stand-in of the sandbox of the Ansible collection jetson.thor. It has the name, the version and the
dependencies of a package of the NVIDIA Container Toolkit, and none of its content: no GPU is made visible by it.
"""

RUNTIME = """\
#!/usr/bin/python3
# Stand-in: NVIDIA's runtime changes a container's specification and hands over to runc. This one decides as NVIDIA's does in
# mode csv, which a Thor resolves to (internal/modifier/csv.go, internal/config/image, internal/requirements of its sources), and
# tells a container that would get the devices so: STANDIN_GPU=all. CUDA of the stand-in driver is 13.0.
import json, os, re, sys

CUDA = (13, 0)


def value(words, *names):
    for position, word in enumerate(words):
        name, equals, after = word.partition("=")
        if name in names:
            return after if equals else words[position + 1]
    return None


def satisfied(requirement):
    # Blanks part alternatives, commas what has to hold together.
    return any(all(map(holds, one.split(","))) for one in requirement.split())


def holds(condition):
    match = re.fullmatch(r"(\\w+)(>=|<=|!=|==|=|>|<)([\\d.]+)", condition)
    if not match or match[1].lower() != "cuda":
        return True
    wanted = tuple(int(part) for part in match[3].split("."))[:2]
    wanted += (0,) * (2 - len(wanted))
    compare = (CUDA > wanted) - (CUDA < wanted)
    return {">=": compare >= 0, "<=": compare <= 0, ">": compare > 0, "<": compare < 0, "!=": compare != 0}.get(match[2], compare == 0)


def changed(specification):
    environment = dict(one.partition("=")[::2] for one in specification["process"].get("env") or [])
    devices = environment.get("NVIDIA_VISIBLE_DEVICES", "")
    if devices in ("", "void", "none"):
        return
    if set(devices.split(",")) - {"all", "0"}:
        sys.exit(f"nvidia-container-runtime: unsupported device in mode csv: {devices}")
    if environment.get("NVIDIA_DISABLE_REQUIRE", "").lower() not in ("1", "t", "true"):
        for name, requirement in environment.items():
            if name.startswith("NVIDIA_REQUIRE_") and name != "NVIDIA_REQUIRE_JETPACK" and not satisfied(requirement):
                sys.exit(f"requirements not met: unsatisfied condition: {requirement} (cuda={'.'.join(map(str, CUDA))})")
    specification["process"]["env"].append(f"STANDIN_GPU={devices}")


words = sys.argv[1:]
if "create" in words or "run" in words:
    path = os.path.join(value(words, "--bundle", "-b") or ".", "config.json")
    with open(path) as stream:
        specification = json.load(stream)
    changed(specification)
    with open(path, "w") as stream:
        json.dump(specification, stream)
os.execvp("runc", ["runc", *words])
"""

CTK = """\
#!/bin/sh
# Stand-in for NVIDIA's nvidia-ctk: --version, cdi generate [--output=FILE], cdi list.
set -eu
version=@VERSION@
kernel_release() {
    # The stand-in devices have their release file in a folder of their own.
    for file in /opt/facts/etc/nv_tegra_release /etc/nv_tegra_release; do
        if [ -r "$file" ]; then
            sed -n '1s/^# R\\([0-9]*\\) (release), REVISION: \\([0-9.]*\\),.*/\\1.\\2/p' "$file"
            return
        fi
    done
    echo unknown
}
specification() {
    cat <<YAML
---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
# A stand-in: no device nodes. Written by the toolkit $version for L4T $(kernel_release).
devices:
  - name: all
    containerEdits:
      env:
        - STANDIN_CDI_L4T=$(kernel_release)
YAML
}
case "${1-} ${2-}" in
    "--version "* | "-v "*)
        echo "NVIDIA Container Toolkit CLI version $version"
        echo "commit: stand-in of the sandbox"
        ;;
    "cdi generate")
        output=${NVIDIA_CTK_CDI_OUTPUT_FILE_PATH-}
        shift 2
        while [ $# -gt 0 ]; do
            case $1 in
                --output=*) output=${1#--output=} ;;
                --output) output=$2 && shift ;;
                *) echo "nvidia-ctk: the stand-in does not know $1" >&2 && exit 1 ;;
            esac
            shift
        done
        if [ -z "$output" ]; then
            specification
        else
            mkdir -p "$(dirname "$output")"
            specification >"$output.new"
            mv "$output.new" "$output"
            echo "Generated CDI spec with version 0.5.0" >&2
        fi
        ;;
    "cdi list")
        found=0
        for file in /etc/cdi/nvidia.yaml /var/run/cdi/nvidia.yaml; do
            [ ! -r "$file" ] || found=1
        done
        echo "Found $found CDI devices" >&2
        [ "$found" = 0 ] || echo nvidia.com/gpu=all
        ;;
    *)
        echo "nvidia-ctk: the stand-in does not know: $*" >&2
        exit 1
        ;;
esac
"""

REFRESH_SERVICE = """\
# Stand-in for NVIDIA's unit, without its conditions on a driver.
[Unit]
Description=Refresh NVIDIA CDI specification file (stand-in)

[Service]
Type=oneshot
Environment=NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml
EnvironmentFile=-/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env
ExecStart=/usr/bin/nvidia-ctk cdi generate

[Install]
WantedBy=multi-user.target
"""

REFRESH_PATH = """\
# Stand-in for NVIDIA's unit: it watches the kernel's modules, which a new driver changes.
[Unit]
Description=Trigger CDI refresh on changes of NVIDIA's driver (stand-in)

[Path]
PathChanged=/lib/modules/%v/modules.dep
PathChanged=/lib/modules/%v/modules.dep.bin

[Install]
WantedBy=multi-user.target
"""

# A unit that does not start fails no installation, as in the scripts that debhelper writes; the tests look at the unit's work.
REFRESH_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    systemctl enable --now nvidia-cdi-refresh.path || true
    systemctl enable --now nvidia-cdi-refresh.service || true
fi
"""

REFRESH_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service || true
fi
"""

CONFIG = """\
# Stand-in for the configuration of the NVIDIA Container Toolkit.
[nvidia-container-runtime]
mode = "auto"
runtimes = ["runc", "crun"]
"""


@dataclass
class Package:
    """One binary package: ``files`` by absolute path (those below bin/ are programs), maintainer ``scripts`` by name."""

    name: str
    version: str
    depends: list[str]
    files: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)

    def control(self, architecture: str) -> str:
        """The control file for one architecture."""
        depends = f"Depends: {', '.join(self.depends)}\n" if self.depends else ""
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {architecture}\nSection: utils\n"
            f"Priority: optional\nMaintainer: jetson.thor sandbox <sandbox@invalid>\n{depends}"
            f"Description: stand-in for {self.name}\n"
            " Made by the sandbox of the Ansible collection jetson.thor; it has none of NVIDIA's content.\n"
        )


def packages(upstream: str) -> list[Package]:
    """The four packages of one version, e.g. ``1.18.1``.

    They depend on each other as NVIDIA's do: two of the three relations have no upper bound within 1.x, so whoever
    wants one version of all four has to ask for each of them.
    """
    version = f"{upstream}-1"
    base = Package(
        "nvidia-container-toolkit-base",
        version,
        [],
        {
            "/usr/bin/nvidia-container-runtime": RUNTIME,
            "/usr/bin/nvidia-ctk": CTK.replace("@VERSION@", upstream),
            "/etc/nvidia-container-runtime/config.toml": CONFIG,
        },
    )
    if tuple(int(part) for part in upstream.split(".")) >= (1, 18):
        # Since 1.18, a unit keeps the device's description for containers current.
        base.files["/usr/lib/systemd/system/nvidia-cdi-refresh.service"] = REFRESH_SERVICE
        base.files["/usr/lib/systemd/system/nvidia-cdi-refresh.path"] = REFRESH_PATH
        base.scripts = {"postinst": REFRESH_POSTINST, "prerm": REFRESH_PRERM}
    return [
        Package(
            "nvidia-container-toolkit",
            version,
            [
                f"nvidia-container-toolkit-base (= {version})",
                f"libnvidia-container-tools (>= {version})",
                "libnvidia-container-tools (<< 2.0.0)",
            ],
        ),
        base,
        Package("libnvidia-container-tools", version, [f"libnvidia-container1 (>= {version})"]),
        Package("libnvidia-container1", version, []),
    ]


def build(package: Package, architecture: str, into: Path) -> Path:
    """Write the .deb file into a folder and return its path."""
    deb = into / f"{package.name}_{package.version}_{architecture}.deb"
    files = {**package.files, f"/usr/share/doc/{package.name}/README.stand-in": README}
    configuration = [path for path in files if path.startswith("/etc/")]
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        tree.chmod(0o755)
        for path, content in files.items():
            _write(tree / path.lstrip("/"), content, program="/bin/" in path)
        _write(tree / "DEBIAN/control", package.control(architecture))
        if configuration:
            _write(tree / "DEBIAN/conffiles", "".join(f"{path}\n" for path in configuration))
        for name, content in package.scripts.items():
            _write(tree / "DEBIAN" / name, content, program=True)
        for folder in tree.rglob("*"):
            if folder.is_dir():
                folder.chmod(0o755)
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(deb))
    return deb


def _write(path: Path, content: str, program: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755 if program else 0o644)


def _run(*argv: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def make_repository(target: Path) -> None:
    """Make the whole repository in ``target``, which appears when it is complete."""
    scratch = target.with_name(target.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    for architecture in ARCHITECTURES:
        folder = scratch / "stable" / "deb" / architecture
        folder.mkdir(parents=True)
        for upstream in VERSIONS:
            for package in packages(upstream):
                build(package, architecture, folder)
        listing = _run("apt-ftparchive", "packages", ".", cwd=folder)
        (folder / "Packages").write_text(listing)
        _run("gzip", "--keep", "--no-name", "Packages", cwd=folder)
        origin = {"Origin": "sandbox", "Label": "stand-in", "Architectures": architecture}
        options = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in origin.items()]
        # Outside of the folder at first: it would list itself.
        release = _run("apt-ftparchive", *options, "release", ".", cwd=folder)
        (folder / "Release").write_text(release)
    sign(scratch)
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)


def sign(repository: Path) -> None:
    """Sign every Release file with a key made for it alone; write key.asc and fingerprint beside them."""
    # A short path: the agent's socket lies in it, and its name may have some hundred characters at most.
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        environment = {"GNUPGHOME": home}
        gpg = ("gpg", "--batch", "--no-tty", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", "")
        name = "jetson.thor sandbox (stand-in for NVIDIA)"
        try:
            _run(*gpg, "--quick-generate-key", name, "rsa2048", "sign", "never", environment=environment)
            for release in repository.rglob("Release"):
                folder = release.parent
                _run(
                    *gpg,
                    "--digest-algo",
                    "SHA512",
                    "--clearsign",
                    "-o",
                    "InRelease",
                    "Release",
                    cwd=folder,
                    environment=environment,
                )
                _run(
                    *gpg,
                    "--digest-algo",
                    "SHA512",
                    "-abs",
                    "-o",
                    "Release.gpg",
                    "Release",
                    cwd=folder,
                    environment=environment,
                )
            (repository / "key.asc").write_text(_run(*gpg, "--armor", "--export", environment=environment))
            listing = _run(*gpg, "--with-colons", "--fingerprint", environment=environment)
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env={**os.environ, **environment}, check=False)
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    (repository / "fingerprint").write_text(f"{fingerprint}\n")


def main() -> None:
    """Make the repository."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="the repository's root, replaced when it is there")
    make_repository(parser.parse_args().directory)


if __name__ == "__main__":
    main()
