"""The page /docs: the OpenAPI document for people, without scripts and without other servers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from typing import Any

__all__ = ["render"]

Json = Any
_CSS = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c1c; background: #fdfdfc }
h1 small { font-weight: normal; color: #666 } h2 { margin-top: 2.5rem }
details { border: 1px solid #ddd; border-radius: 6px; margin: .4rem 0; background: #fff }
summary { padding: .5rem .8rem; cursor: pointer } details > div { padding: 0 1rem 1rem }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { background: #f4f4f1; padding: .7rem;
  overflow-x: auto; border-radius: 4px } td { vertical-align: top; padding: .15rem .8rem .15rem 0 }
.m { display: inline-block; width: 3.6rem; font: bold 13px ui-monospace, monospace }
.s { color: #555 } @media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd }
  details { background: #1d1d1d; border-color: #333 } pre { background: #262626 }
  .s { color: #aaa } }
"""


def render(document: dict[str, Json]) -> str:
    """The page as HTML."""
    info = document["info"]
    operations: dict[str, list[str]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for tag in operation.get("tags", ()):
                operations[tag].append("".join(_operation(path, method, operation)))
    parts = [
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        _text(info["description"]),
        '<p>As data: <a href="/openapi.json">openapi.json</a>.</p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        parts += operations[tag["name"]]
    parts.append("<h2>schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        body = _json(schema)
        parts.append(
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<div>{body}</div></details>"
        )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>troth API</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_CSS}</style><body>{''.join(parts)}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Json]) -> Iterator[str]:
    yield (
        f'<details><summary><span class="m">{method.upper()}</span><code>{escape(path)}</code> '
        f'<span class="s">{escape(operation["summary"])}</span></summary><div>'
    )
    yield _text(operation["description"])
    if operation.get("parameters"):
        yield "<table>"
        for one in operation["parameters"]:
            told = one.get("description") or one["schema"].get("description", "")
            place = "" if one["in"] == "query" else f" ({one['in']})"
            yield f"<tr><td><code>{escape(one['name'])}</code>{place}<td>{escape(told)}"
        yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(media)}</code>{_link(content.get('schema', {}))}</p>"
        if "example" in content:
            yield _json(content["example"])
    yield "<table>"
    for status, response in operation["responses"].items():
        told = _text(response["description"])
        linked = "".join(_link(one["schema"]) for one in response.get("content", {}).values())
        yield f"<tr><td><code>{status}</code><td>{told}<td>{linked.lstrip(' :')}"
    yield "</table></div></details>"


def _text(text: str) -> str:
    """Paragraphs; the only marks are backquotes and pairs of stars."""
    shown = escape(text.strip())
    for mark, tag in (("**", "b"), ("`", "code")):
        pieces = shown.split(mark)
        shown = "".join(
            f"<{tag}>{piece}</{tag}>" if index % 2 else piece for index, piece in enumerate(pieces)
        )
    return "".join(f"<p>{paragraph}</p>" for paragraph in shown.split("\n\n"))


def _link(schema: dict[str, Json]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f': <a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _json(value: Json) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"
