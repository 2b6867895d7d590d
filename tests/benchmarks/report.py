# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the report of a large fleet costs: 100 hosts with 5 profiles each, measured twice.

The result files are made up. A fresh process with nothing cached, not even matplotlib's list of fonts, reads and judges them,
draws the page and writes it. Prints JSON; the targets are less than 5 s, imports included, and less than 5 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import made_up_results

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 5.0
LIMIT_BYTES = 5_000_000

# Arguments: folder of results, page to write, this checkout.
REPORT = """
import sys
from pathlib import Path
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page, result_files, results
root = Path(sys.argv[3])
reference = yaml.safe_load((root / "roles/catalog/files/reference.yml").read_text(encoding="utf-8"))["reference"]
template = (root / "roles/bench/templates/report.html.j2").read_text(encoding="utf-8")
documents, unusable = result_files.read_all([Path(sys.argv[1])])
assert not unusable, unusable
fleet = results.fleet(documents, reference, 0.9)
text = page.page(fleet, reference, 0.9, template=template, written="now")
Path(sys.argv[2]).write_text(text, encoding="utf-8")
"""


def write_results(folder: Path, hosts: int) -> int:
    """Fill a folder with result files; return their number."""
    count = 0
    for document in made_up_results.many(hosts):
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        (folder / f"{document['host']}-{document['run']}.json").write_text(text, encoding="utf-8")
        count += 1
    return count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        folder, page = Path(name, "results"), Path(name, "report.html")
        folder.mkdir()
        count = write_results(folder, arguments.hosts)
        for number in range(arguments.rounds):
            settings = {
                "PYTHONPATH": str(ROOT / "collections"),
                "MPLCONFIGDIR": str(Path(name, f"matplotlib-{number}")),
            }
            command = [sys.executable, "-c", REPORT, str(folder), str(page), str(ROOT)]
            begun = time.monotonic()
            subprocess.run(command, check=True, timeout=300, env={**os.environ, **settings})
            seconds.append(time.monotonic() - begun)
        size = page.stat().st_size
    taken = statistics.median(seconds)
    met = taken < LIMIT_SECONDS and size < LIMIT_BYTES
    print(
        json.dumps(
            {
                "hosts": arguments.hosts,
                "result_files": count,
                "seconds": round(taken, 2),
                "seconds_of_each_round": [round(one, 2) for one in seconds],
                "bytes": size,
                "limit_seconds": LIMIT_SECONDS,
                "limit_bytes": LIMIT_BYTES,
                "within_limits": met,
            },
            indent=2,
        )
    )
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
