# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The results of a verification as JUnit XML, which every CI system reads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

# Characters that XML 1.0 cannot contain, however they are escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[Mapping[str, Any]], host: str) -> str:
    """The document, with a declaration and one line per element."""
    states = [result["state"] for result in results]
    suite = ET.Element(
        "testsuite",
        name=f"jetson.thor.verify {host}",
        tests=str(len(states)),
        failures=str(states.count("failed")),
        errors="0",
        skipped=str(states.count("unverified") + states.count("asleep")),
        time=f"{max((result['seconds'] or 0 for result in results), default=0):.3f}",  # they ran in parallel
    )
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{host}.{result['name']}",
            name=result["request"],
            time=f"{result['seconds'] or 0:.3f}",
        )
        for problem, message in zip(result["problems"], result["messages"], strict=True):
            failure = ET.SubElement(case, "failure", type=problem["code"], message=_text(problem["reason"]))
            failure.text = _text(message)
        if result["state"] in ("unverified", "asleep"):
            ET.SubElement(
                case, "skipped", message=_text(result["answer"] or f"no request is known for {result['api']}")
            )
        ET.SubElement(case, "system-out").text = _text(result["answer"])
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
