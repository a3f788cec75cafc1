"""`troth-engine dev`: an engine on loopback with keys of its own, for one person."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import orjson

from domain.errors import refusal
from engine.keys import add_key
from engine.settings import listen_parts

__all__ = ["DEV_KEYS", "DEV_TENANT", "dev_keys", "refuse_foreign"]

DEV_TENANT = "default"

DEV_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "producer": (("producer",), ()),
    "participant": (("participant",), ()),
    "operator": (("operator",), ()),
    "reader": (("reader",), ()),
    "function_head": (("approver",), ("function_head", "manager")),
    "legal": (("approver",), ("legal",)),
    # For a person at the command line, who starts, sends and looks; it decides nothing.
    "developer": (("producer", "participant", "operator", "reader"), ()),
}
"""Roles and seats of the keys that dev makes, by name."""


def refuse_foreign(listen: str) -> None:
    """Raise Refusal (TR713) unless the address is on loopback: the keys of dev are printed."""
    host, _ = listen_parts(listen)
    if host == "localhost":
        return
    try:
        own = ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    if not own:
        raise refusal("dev.loopback", f"--listen {listen}")


def dev_keys(folder: Path, tenant: str = DEV_TENANT) -> dict[str, str]:
    """The texts of a state folder's keys by name, made when it has none.

    Hashes go to keys.jsonl, texts to keys.json, both readable for their owner only. Raises OSError,
    or Refusal for bad files.
    """
    texts, hashes = folder / "keys.json", folder / "keys.jsonl"
    if texts.exists() and hashes.exists():
        return orjson.loads(texts.read_bytes())["keys"]
    for leftover in (texts, hashes):
        leftover.unlink(missing_ok=True)
    made = {
        name: add_key(hashes, tenant=tenant, name=name, roles=roles, seats=seats)[1]
        for name, (roles, seats) in DEV_KEYS.items()
    }
    handle = os.open(texts, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps({"tenant": tenant, "keys": made}, option=orjson.OPT_INDENT_2))
    return made
