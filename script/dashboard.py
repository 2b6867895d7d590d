# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The dashboard for Grafana, built with Grafana's own SDK. ``script/dashboard`` runs it.

Every metric in its queries is one that a host with thor_gateway and thor_metrics shows; tests/unit/roles/test_monitoring.py holds that.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

FILE = Path(__file__).resolve().parents[1] / "roles" / "monitoring" / "files" / "dashboard.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HOSTS = 'instance=~"$host"'
COLUMNS, HEIGHT = 3, 8


@dataclass(frozen=True)
class Chart:
    """One chart: its queries, each with what its lines are called."""

    title: str
    unit: str  # as Grafana names it
    queries: tuple[tuple[str, str], ...]  # HOST stands for the chosen hosts
    what: str = ""


def any_of(*names: str) -> str:
    """The metrics of different engines for the same thing."""
    return " or ".join(f"{name}{{HOST}}" for name in names)


def rate(name: str, *labels: str) -> str:
    """A counter of the gateway by second, summed over all other labels."""
    return f"sum by (instance, {', '.join(labels)}) (rate({name}{{HOST}}[5m]))"


def mean(name: str) -> str:
    """The mean of a summary of the gateway for each service."""
    return f"{rate(name + '_sum', 'service')} / {rate(name + '_count', 'service')}"


NAMED = "{{instance}} {{service}}"
ROWS: dict[str, tuple[Chart, ...]] = {
    "Services": (
        Chart("Up", "bool_yes_no", (("thor_service_up{HOST}", NAMED),), "Asleep on demand counts as up."),
        Chart("State", "short", (("thor_service_state{HOST} == 1", NAMED + " {{state}}"),)),
        Chart("Restarts in an hour", "short", (("increase(thor_service_restarts_total{HOST}[1h])", NAMED),)),
        Chart("Last answer to a check", "s", (("thor_service_answer_seconds{HOST}", NAMED),)),
        Chart(
            "Decode rate of one stream",
            "short",
            (
                ("thor:service_tokens_per_second{HOST}", NAMED),
                ("thor_service_tokens_per_second{HOST}", NAMED + " ({{seen_by}})"),
                ("thor_service_floor_tokens_per_second{HOST}", NAMED + " floor"),
            ),
            "Tokens per second: as the engine counts them now, as verify and bench saw them last, and the floor.",
        ),
        Chart(
            "Requests in the engine",
            "short",
            (
                (any_of("llamacpp:requests_processing", "vllm:num_requests_running", "sglang:num_running_reqs"), NAMED),
                (
                    any_of("llamacpp:requests_deferred", "vllm:num_requests_waiting", "sglang:num_queue_reqs"),
                    NAMED + " waiting",
                ),
            ),
        ),
    ),
    "Gateway": (
        Chart(
            "Requests",
            "reqps",
            ((rate("thor_gateway_requests_total", "client", "service"), "{{instance}} {{client}} {{service}}"),),
        ),
        Chart(
            "Refused",
            "reqps",
            ((rate("thor_gateway_refused_total", "client", "reason"), "{{instance}} {{client}} {{reason}}"),),
        ),
        Chart("Being answered", "short", (("thor_gateway_active_requests{HOST}", "{{instance}} {{client}}"),)),
        Chart(
            "Time to the first byte",
            "s",
            ((mean("thor_gateway_first_byte_seconds"), NAMED),),
        ),
        Chart(
            "Time of a request",
            "s",
            ((mean("thor_gateway_request_seconds"), NAMED),),
        ),
        Chart(
            "Tokens",
            "short",
            (
                (rate("thor_gateway_completion_tokens_total", "client", "model"), "{{instance}} {{client}} {{model}}"),
                (
                    rate("thor_gateway_prompt_tokens_total", "client", "model"),
                    "{{instance}} {{client}} {{model}} prompt",
                ),
            ),
            "Per second, as far as answers say.",
        ),
        Chart(
            "Days until the certificate ends",
            "d",
            (("(thor_gateway_certificate_end_seconds{HOST} - time()) / 86400", "{{instance}}"),),
        ),
    ),
    "Device": (
        Chart(
            "GPU",
            "percentunit",
            (("thor_gpu_load_ratio{HOST}", "{{instance}}"),),
            "Nothing while the GPU is switched off.",
        ),
        Chart(
            "Clocks",
            "hertz",
            (
                ("thor_clock_hertz{HOST}", "{{instance}} {{device}}"),
                ("thor_clock_limit_hertz{HOST}", "{{instance}} {{device}} limit"),
            ),
        ),
        Chart("Power", "watt", (("thor_power_watts{HOST}", "{{instance}} {{rail}}"),)),
        Chart("Temperature", "celsius", (("thor_temperature_celsius{HOST}", "{{instance}} {{zone}}"),)),
        Chart(
            "Degrees left before it slows down",
            "celsius",
            (("thor_slowdown_margin_celsius{HOST}", "{{instance}} {{zone}}"),),
        ),
        Chart(
            "Throttled",
            "short",
            (
                ("thor_throttled{HOST}", "{{instance}} {{device}} (heat)"),
                ("increase(thor_over_current_events_total{HOST}[5m])", "{{instance}} {{counter}} (over-current)"),
            ),
        ),
        Chart(
            "Power mode",
            "short",
            (
                ("thor_power_mode_info{HOST}", "{{instance}} {{mode}}"),
                ("thor_clocks_locked{HOST}", "{{instance}} clocks locked"),
            ),
        ),
    ),
    "Memory and disks": (
        Chart(
            "Memory",
            "bytes",
            (
                ("thor_memory_total_bytes{HOST}", "{{instance}} total"),
                ("thor_memory_available_bytes{HOST}", "{{instance}} for processes"),
                ("thor_memory_gpu_free_bytes{HOST}", "{{instance}} free for CUDA"),
                ("thor_memory_page_cache_bytes{HOST}", "{{instance}} page cache"),
            ),
            "CPU and GPU share it. CUDA does not count the page cache as free.",
        ),
        Chart(
            "CPU",
            "percentunit",
            (('1 - avg by (instance) (rate(node_cpu_seconds_total{HOST,mode="idle"}[5m]))', "{{instance}}"),),
        ),
        Chart(
            "Disk space left",
            "bytes",
            (('node_filesystem_avail_bytes{HOST,fstype!~"tmpfs|ramfs"}', "{{instance}} {{mountpoint}}"),),
        ),
    ),
}


def panel(chart: Chart) -> timeseries.Panel:
    """A chart as Grafana has it."""
    found = (
        timeseries.Panel()
        .title(chart.title)
        .description(chart.what)
        .unit(chart.unit)
        .datasource(SOURCE)
        .span(24 // COLUMNS)
        .height(HEIGHT)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for index, (query, name) in enumerate(chart.queries):
        found = found.with_target(
            prometheus.Dataquery().expr(query.replace("HOST", HOSTS)).legend_format(name).ref_id("ABCDEFGH"[index])
        )
    return found


def build() -> str:
    """The dashboard as the text of its file."""
    hosts = (
        dashboard.QueryVariable("host")
        .label("Host")
        .datasource(SOURCE)
        .query("label_values(thor_memory_total_bytes, instance)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )
    found = (
        dashboard.Dashboard("Jetson Thor")
        .uid("jetson-thor")
        .tags(["jetson-thor"])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(hosts)
    )
    for title, charts in ROWS.items():
        found = found.with_row(dashboard.Row(title))
        for chart in charts:
            found = found.with_panel(panel(chart))
    return JSONEncoder(sort_keys=True, indent=1).encode(found.build()) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; the exit status."""
    text = build()
    if arguments == ["--check"]:
        if FILE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{FILE} is not what script/dashboard.py describes: run script/dashboard", file=sys.stderr)
        return 1
    if arguments:
        print("usage: script/dashboard [--check]", file=sys.stderr)
        return 2
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
