# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From a matplotlib figure to an SVG element of the report's page.

Figures are drawn in placeholder colours, which become variables of the page's style sheet here. So one drawing serves light mode,
dark mode and print.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PlotterMissing(Exception):
    """The charts cannot be drawn, because this Python has no matplotlib."""


# Placeholder: variable of the page's style sheet.
COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--quiet)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
    "#050505": "var(--slow)",
    "#060606": "var(--outlier)",
    "#070707": "var(--failed)",
    "#080808": "var(--bound)",
    "#090909": "var(--ground)",
    "#0a0a0a": "var(--band)",
}
INK, QUIET, LINE, ACCENT, SLOW, OUTLIER, FAILED, BOUND, GROUND, BAND = COLOURS
# Everything is in points. A chart fills a phone's width, where a point is a little more than a pixel.
WIDTH = 259.2
TEXT = 9.0
STYLE: Any = {  # matplotlib's types know each key by its name
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "jetson.thor",  # the same input gives the same page
    "path.simplify": False,
    "text.parse_math": False,  # a host may have a dollar in its name
    "font.family": "DejaVu Sans",  # matplotlib brings it along: widths are the same everywhere
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "axes.labelpad": 3,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "xtick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
    **{f"{axis}tick.major.size": 0 for axis in "xy"},
}


def draw(key: str, title: str, description: str, height: float, paint: Callable[[Figure], None]) -> str:
    """A chart as an element of the page; raises PlotterMissing. Screen readers read out ``title`` and ``description``."""
    try:
        import matplotlib  # noqa: PLC0415 - the rest of the report works without it
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotterMissing(str(error)) from error
    text = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name may have letters that matplotlib's font lacks; the browser has other fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        matplotlib.rcdefaults()  # ignore the matplotlibrc of this machine
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _inline(text.getvalue(), key, title, description)


def _inline(document: str, key: str, title: str, description: str) -> str:
    """An SVG document as one of several elements of a page: without namespaces, with unique ids and the page's colours."""
    root = ET.fromstring(document)
    # Remove the metadata, and the style, which would apply to the whole page.
    for child in [
        one for one in root if one.tag.endswith("}metadata") or any(two.tag.endswith("}style") for two in one)
    ]:
        root.remove(child)
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', document))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        if element.tag != "text":
            element.text = None
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        if "rotate(-0 " in attributes.get("transform", ""):
            attributes.pop("transform")
        element.attrib.clear()
        element.attrib.update({name: _attribute(name, value, key) for name, value in attributes.items()})
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{key}-title {key}-text"})
    for place, (name, text, suffix) in enumerate((("title", title, "title"), ("desc", description, "text"))):
        child = ET.Element(name, {"id": f"{key}-{suffix}"})
        child.text = facts.plain(text)
        root.insert(place, child)
    return Markup(ET.tostring(root, encoding="unicode", short_empty_elements=False))


def _attribute(name: str, value: str, key: str) -> str:
    """An attribute's value for the page. Only numbers, ids, fonts and colours change."""
    if name == "id":
        return f"{key}-{value}"
    if name == "href":
        return f"#{key}-{value.removeprefix('#')}"
    if name == "style":
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        return re.sub(r"#[0-9a-f]{6}", lambda found: COLOURS.get(found[0], found[0]), value)
    value = re.sub(r"url\(#", f"url(#{key}-", value)
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(value.split()))
