# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The gateway that an inventory wants on a host, with its certificate. Reads the certificate's files on the control machine."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.certificate import SOON_DAYS
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import SWITCH
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates, data_plane, inventory
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.authority import Authority
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.certificates import Pair, Unusable
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import (
    CLIENT_BODIES_BYTES,
    Gateway,
    GatewayFile,
    Paths,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.secrets import service_secrets

UNIT = "/etc/systemd/system/thor-gateway.service"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The gateway as it should be. ``pair`` is None while a certificate has still to be made, and of plain HTTP."""

    gateway: Gateway
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # of services, by their names
    pair: Pair | None = None
    renewal: str | None = None  # why the certificate has to be made
    authority: Authority | None = (
        None  # that makes it; None where the certificate is a person's own, or there is no TLS
    )
    digest_key: str = ""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def renewed(self, host: str, now: datetime) -> Wanted:
        """The same with a certificate that needs no renewal. Writes on the control machine; raises Unusable and OSError."""
        if self.authority is None or self.renewal is None:
            return self
        return replace(self, pair=self.authority.renewed(host, self.gateway.names, now), renewal=None)

    def files(self, services: Sequence[Mapping[str, Any]]) -> tuple[GatewayFile, ...]:
        """The files on the device, the unit last. Those of the certificate are left out while there is none."""
        found = [Service.from_facts(one) for one in services]
        keys = {
            one.name: self.secrets[one.name][one.api_key]
            for one in found
            if one.api_key and one.api_key in self.secrets.get(one.name, {})
        }
        pair: tuple[GatewayFile, ...] = ()
        if self.pair and self.renewal is None:
            pair = (
                GatewayFile(path=self.gateway.certificate, content=self.pair.certificate, mode="0644", secret=False),
                GatewayFile(path=self.gateway.key, content=self.pair.key, mode="0600", secret=True),
            )
        text = (data_plane.ROLE / "files" / "thor-gateway.service").read_text(encoding="utf-8")
        unit = GatewayFile(path=UNIT, content=text, mode="0644", secret=False)
        return (*pair, *data_plane.files(self.gateway, found, keys), unit)

    @property
    def verify(self) -> dict[str, Any]:
        """What verify has to know."""
        address = ipaddress.ip_address(self.gateway.address)
        loopback = "::1" if address.version == 6 else "127.0.0.1"
        return {
            "address": loopback if address.is_unspecified else str(address),
            "port": self.gateway.port,
            "tls": bool(self.gateway.certificate),
            "fingerprint": certificates.fingerprint(self.pair.certificate) if self.pair else "",
        }


def of_variables(given: Mapping[str, Any], now: datetime) -> Wanted | None:
    """The gateway of a host; None if none is wanted, or if a value has not got its shape (which the action resolve reports).

    ``given`` is ``__gateway_planned`` of the role gateway.
    """
    for value, name in ((given["settings"], "thor_gateway"), (given["keys"], "thor_gateway_keys")):
        if shapes.check(value, role_variables.VARIABLES[name], name):
            return None
    wanted = inventory.settings(given["settings"])
    if wanted is None:
        return None
    address, tls, paths = (
        inventory.plain_address(wanted.get("address", inventory.ADDRESS)),
        wanted.get("tls", True),
        Paths(),
    )
    names = [given["name"], given["host"], *wanted.get("names", ())]
    gateway = Gateway(
        port=wanted.get("port", inventory.PORT),
        address=address or "127.0.0.1",
        names=tuple(dict.fromkeys(inventory.plain_address(name) or name for name in names)),
        body_bytes=inventory.size(wanted.get("body", inventory.BODY)),
        clients=inventory.clients(given["keys"]),
        certificate=f"{paths.configuration}/tls.crt" if tls else "",
        key=f"{paths.configuration}/tls.key" if tls else "",
        metrics=role_variables.coerce(given["metrics"], SWITCH) is True,
        paths=paths,
    )
    secrets = _secrets(given)
    found = Wanted(
        gateway=gateway,
        secrets=secrets,
        digest_key=digest_key(given["keys"], secrets),
        problems=(*inventory.key_problems(given["keys"]), *_body(gateway, wanted), *_plain(gateway, tls)),
    )
    if address is None:
        reason = "That is not an address."
        problem = Problem("THOR-VALUE-INVALID", "thor_gateway.address", wanted["address"], reason, "Correct it.")
        return replace(found, problems=(*found.problems, problem))
    if not tls:
        return found
    if "certificate" in wanted:
        return _with_own(found, wanted["certificate"], wanted, given["folder"], now)
    return _with_authority(found, str(Path(given["folder"], wanted.get("ca_dir", "thor-ca"))), given["name"], now)


def _secrets(given: Mapping[str, Any]) -> dict[str, Any]:
    """The secrets of services. A mistake in the profiles is left to the action resolve, which explains it."""
    try:
        return service_secrets(given["profiles"], given["extra_profiles"])
    except (TypeError, ValueError, AttributeError):
        return {}


def _body(gateway: Gateway, wanted: Mapping[str, Any]) -> list[Problem]:
    """A size of bodies that the gateway's memory for them could never hold."""
    most = CLIENT_BODIES_BYTES
    if gateway.body_bytes <= most:
        return []
    reason = (
        f"Bodies are in memory while they are answered, and the gateway has {most >> 20} MB for those of one client."
    )
    remedy = f"Write at most {most >> 20}m."
    return [Problem("THOR-GATEWAY-BODY", "thor_gateway.body", wanted["body"], reason, remedy)]


def _plain(gateway: Gateway, tls: bool) -> list[Problem]:
    if tls or ipaddress.ip_address(gateway.address).is_loopback:
        return []
    reason = (
        f"The gateway would listen on {gateway.address} without TLS, so keys and answers could be read on the network."
    )
    remedy = "Leave tls out, or have it listen on the device alone: address: 127.0.0.1."
    return [Problem("THOR-GATEWAY-PLAIN", "thor_gateway.tls", False, reason, remedy)]


def _with_own(found: Wanted, own: Mapping[str, str], wanted: Mapping[str, Any], folder: str, now: datetime) -> Wanted:
    """With a certificate of the person's own."""
    problems, notes = list(found.problems), []
    if "ca_dir" in wanted:
        reason = "A certificate of your own is not signed by the authority in ca_dir."
        problems.append(
            Problem("THOR-GATEWAY-CERTIFICATE", "thor_gateway.ca_dir", None, reason, "Leave one of them out.")
        )
    texts = {}
    for key in ("cert", "key"):
        path = Path(folder, own[key]).expanduser()
        content = files.content(path)
        if content is None:
            reason = f"There is no such file on the control machine, or it cannot be read: {path}."
            where = f"thor_gateway.certificate.{key}"
            problems.append(Problem("THOR-GATEWAY-CERTIFICATE", where, None, reason, "Correct the path."))
        else:
            texts[key] = content.decode(errors="replace")
    pair = Pair(texts["cert"], texts["key"]) if len(texts) == 2 else None
    if pair:
        try:
            certificates.check(pair, now)
        except Unusable as error:
            remedy = "Give the gateway a certificate that is valid, with the key that belongs to it."
            problems.append(
                Problem("THOR-GATEWAY-CERTIFICATE", "thor_gateway.certificate.cert", own["cert"], str(error), remedy)
            )
        else:
            called = [inventory.plain_address(name) or name for name in wanted.get("names", ())]
            problems += _wrong_names(pair.certificate, own["cert"], called, found.gateway.names)
            notes += _ends_soon(pair.certificate, now)
    return replace(found, pair=pair, problems=tuple(problems), notes=tuple(notes))


def _wrong_names(certificate: str, path: str, called: Sequence[str], names: Sequence[str]) -> list[Problem]:
    """A certificate that clients would refuse, because it is for other names than those by which they call the host.

    It has to be for every name in thor_gateway.names (``called``). Where there are none, one of ``names`` is enough: the inventory's name
    and ansible_host may be for the control machine alone.
    """
    missing = [name for name in called if not certificates.covers(certificate, name)]
    if not missing and any(certificates.covers(certificate, name) for name in names):
        return []
    has = ", ".join(certificates.names_of(certificate)) or "no name at all"
    reason = f"The certificate is for {has}, not for {', '.join(missing or names)}: clients would refuse it."
    remedy = (
        "Give the gateway a certificate with these names, or take them out of thor_gateway.names."
        if missing
        else "Give the gateway a certificate with one of these names, or write the name that clients use in thor_gateway.names."
    )
    return [Problem("THOR-GATEWAY-CERTIFICATE", "thor_gateway.certificate.cert", path, reason, remedy)]


def _ends_soon(certificate: str, now: datetime) -> list[str]:
    """What to say of a certificate of one's own that needs a successor: no run renews it."""
    _begins, ends = certificates.validity(certificate)
    days = (ends - now).days
    if days >= SOON_DAYS:
        return []
    when = f"ends on {ends:%Y-%m-%d}, in {days} days"
    return [
        f"thor_gateway.certificate.cert: the certificate {when}. A run does not renew it: put a new one there, and run again."
    ]


def _with_authority(found: Wanted, folder: str, host: str, now: datetime) -> Wanted:
    """With a certificate of the small authority, where it has been made."""
    authority = Authority(Path(folder).expanduser())
    try:
        renewal = authority.due(host, found.gateway.names, now)
    except Unusable as error:
        remedy = "Restore the folder from a copy, or move it away: the next run makes another authority, which clients have to trust anew."
        problem = Problem("THOR-GATEWAY-CA", "thor_gateway.ca_dir", str(authority.folder), str(error), remedy)
        return replace(found, authority=authority, problems=(*found.problems, problem))
    return replace(found, pair=authority.pair(host), renewal=renewal, authority=authority)


def digest_key(keys: Any, secrets: Mapping[str, Any]) -> str:
    """The key of the digests by which an observation tells whether the device has these files, secrets included.

    It is made of the secrets themselves: whoever reads a digest in a fact can only verify a guess of all of them at once.
    """
    text = json.dumps([keys, secrets], sort_keys=True, default=str)
    return hashlib.sha256(f"jetson.thor gateway {text}".encode()).hexdigest()


def digest(key: str, content: str) -> str:
    """As module_utils/observe/gateway.py makes it of a file on the device."""
    return hmac.new(key.encode(), content.encode(), hashlib.sha256).hexdigest()
