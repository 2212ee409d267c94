"""A figure of matplotlib as an element of a page: described, light and dark, with the numbers behind its points."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import count
from math import isfinite
from typing import Any
from xml.etree import ElementTree

from minisgd.lab.plots import BLUE, FAINT, GREEN, GREY, INK, ORANGE, Figure, words_of

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
DARK = {
    INK: "#e6eaee",
    GREY: "#98a4b0",
    FAINT: "#323b45",
    BLUE: "#6cb8e6",
    ORANGE: "#ff9a57",
    GREEN: "#3fcf9f",
    "#ffffff": "#1d232a",
    "#f1f3f5": "#2a323b",
    "#c4cbd3": "#4a5561",
}
"""Colours on a dark page, by those on a white one; others are the same on both, but dark lines, which are lightened."""
MOST = 400
"""Points of a line that are said one by one."""
COLOUR = re.compile(r"(fill|stroke): ?(#[0-9a-f]{6})", re.I)


def say(artist: Any, texts: Sequence[str], link: str = "") -> None:
    """Attach to an artist what hovering says: a text for each finite point of a line, or one for all of it.

    Elements of a page that share a word of ``link`` are lit together.
    """
    artist.said, artist.link = tuple(texts), link


def svg(page: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as an SVG element, its ids beginning with a name, with title and description for screen readers.

    Points of a line say their coordinates, in the words of the axes, unless ``say`` gave them others.
    """
    said = _label_artists(page)
    root = _drawn(page)
    texts = {f"said-{k}": artist for k, artist in enumerate(said)}
    for element in root.iter():
        if (artist := texts.get(element.get("id", ""))) is not None:
            _mark(element, artist)
    _prefix_ids(root, name)
    for element in root.iter():
        _theme(element)
    return _described(root, name, title, description)


def _label_artists(page: Figure) -> list[Any]:
    """Number the artists that say something, and return them."""
    found = []
    for ax in page.axes:
        for line in ax.get_lines():
            if not hasattr(line, "said") and _is_marked(line) and len(line.get_xdata()) < MOST:
                say(line, _coordinates(ax, line))
        found += [artist for artist in ax.get_children() if getattr(artist, "said", ())]
    for k, artist in enumerate(found):
        artist.set_gid(f"said-{k}")
    return found


def _coordinates(ax: Any, line: Any) -> list[str]:
    """Say where each finite point of a line is: "batch size 16, loss 0.31"."""
    label = "" if line.get_label().startswith("_") else f"{line.get_label()}\n"
    names = ax.get_xlabel() or "x", ax.get_ylabel() or "value"
    points = zip(line.get_xdata(orig=False), line.get_ydata(orig=False), strict=True)
    return [
        label
        + ", ".join(f"{name} {words_of(ax, which)(float(v))}" for name, which, v in zip(names, "xy", at, strict=True))
        for at in points
        if all(map(isfinite, at))
    ]


def _drawn(page: Figure) -> ElementTree.Element:
    """Draw with text as text, the same bytes for the same figure."""
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "minisgd"}):
        page.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    return root


def _mark(element: ElementTree.Element, artist: Any) -> None:
    """Write onto an element, or onto the points inside, what they say."""
    points = element.findall(f".//{{{SVG}}}use") if len(artist.said) > 1 or _is_marked(artist) else [element]
    for point, text in zip(points, artist.said, strict=False):
        point.set("class", "point")
        point.set("role", "img")
        point.set("aria-label", text.replace("\n", ", "))
        point.set("data-said", text)
        if artist.link:
            point.set("data-link", artist.link)
        ElementTree.SubElement(point, f"{{{SVG}}}title").text = text


def _is_marked(artist: Any) -> bool:
    return hasattr(artist, "get_marker") and artist.get_marker() not in ("None", None, "")


def _prefix_ids(root: ElementTree.Element, name: str) -> None:
    """Let two pictures of a page share no id; ids that nothing refers to are dropped."""
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    short = {old: f"{name}-{k}" for k, old in zip(count(), sorted(used), strict=False)}
    for element in root.iter():
        if old := element.attrib.pop("id", None):
            if old in short:
                element.set("id", short[old])
        for key, value in element.items():
            if key.endswith("href") and value.startswith("#"):
                element.attrib.pop(key)
                element.set("href", f"#{short[value[1:]]}")
            elif "url(#" in value:
                element.set(key, re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", value))


def _theme(element: ElementTree.Element) -> None:
    """Give an element a second colour for dark pages, which viewers that know only one leave aside."""
    style = element.get("style", "")
    for paint in ("fill", "stroke"):
        if element.get(paint, "").startswith("#"):
            style += f"; {paint}: {element.attrib.pop(paint)}"
    style = re.sub(r"font: ([\d.]+px)[^;]*|font-family: [^;]*", lambda m: f"font-size: {m[1]}" if m[1] else "", style)
    style = COLOUR.sub(lambda m: f"{m[0]}; {m[1]}: light-dark({m[2]},{_dark(m[2], m[1])})", style)
    if style:
        element.set("style", re.sub(r"(; ?)+", ";", style).strip("; ").replace(": ", ":"))


def _dark(colour: str, paint: str) -> str:
    known = {light.lower(): dark for light, dark in DARK.items()}.get(colour.lower())
    if known or paint == "fill":
        return known or colour
    channels = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    if sum(channels) > 300:
        return colour
    return "#" + "".join(f"{round(c + 0.45 * (255 - c)):02x}" for c in channels)


def _described(root: ElementTree.Element, name: str, title: str, description: str) -> str:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "group",
        "aria-labelledby": f"{name}-title {name}-text",
        "font-family": "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif",
        "stroke-linejoin": "round",
        "data-name": name,
    }
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ElementTree.Element(f"{{{SVG}}}{tag}", id=f"{name}-{'title' if tag == 'title' else 'text'}")
        child.text = text
        root.insert(position, child)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")
