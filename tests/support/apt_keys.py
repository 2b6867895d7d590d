# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Keys of package repositories, as gpg and deb822 write them."""

from __future__ import annotations

URL = "https://nvidia.github.io/libnvidia-container/stable/deb/arm64"
KEY = "/usr/share/keyrings/nvidia.gpg"
PINNED = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
SUBKEY = "0123456789ABCDEF0123456789ABCDEF01234567"
# A primary key with a subkey, and a second primary key.
COLONS = """\
pub:-:4096:1:DDCAE044F796ECB0:1507754886:::-:::scESC::::::23::0:
fpr:::::::::C95B321B61E88C1809C4F759DDCAE044F796ECB0:
uid:-::::1507754886::F2F4C2C3::NVIDIA CORPORATION:::::::::::0:
sub:-:4096:1:6ED91CA3AC1160CD:1507754886::::::e::::::23:
fpr:::::::::0123456789ABCDEF0123456789ABCDEF01234567:
pub:-:2048:1:AAAAAAAAAAAAAAAA:1507754886:::-:::scESC::::::23::0:
fpr:::::::::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:
"""


# A key of no use, made for this test: gpg --quick-gen-key thor ed25519.
ARMOR = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawf9qxYJKwYBBAHaRw8BAQdAJJEMEverOzVV5yNHVb+YOzK+gQ2awXBBp9Yh
yL05Mgm0F3Rob3IgPHRob3JAZXhhbXBsZS5vcmc+iJYEExYIAD4WIQROjBxd2W/0
x9rJ1YbdqQAK09u/aAUCawf9qwIbAwUJA8JnAAULCQgHAgYVCgkICwIEFgIDAQIe
AQIXgAAKCRDdqQAK09u/aKGGAP9q8Ilj/qcnJZvpdAR/fZqjWgYIUPTrSTu/M0xN
aMvSFAEAvKxARXEzhCOa1QC8+hhF2UM1v013KYXGLrwyt8WawgA=
=oqg0
-----END PGP PUBLIC KEY BLOCK-----
"""
# As deb822 has it: the empty line of the armor is a dot.
FIELD = "".join(f" {line or '.'}\n" for line in ARMOR.splitlines()).rstrip("\n")
