"""A relay between the participants and the engine whose connections can be reset."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit

__all__ = ["Relay"]

PART_BYTES = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST, not FIN."""
CONNECT_S = 5.0


class Relay:
    """Listens on a port of its own that stays; `towards` may change with every restart."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._target: tuple[str, int] | None = None
        self._live: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """What a participant is given."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def towards(self, url: str) -> None:
        """Connections from now on go there."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)

    def reset(self) -> int:
        """Reset every connection, on both sides; how many there were."""
        with self._lock:
            live, self._live = self._live, set()
        for one in live:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.shutdown(socket.SHUT_RD)  # wakes who reads there
                one.close()
        return len(live)

    def close(self) -> None:
        """Nobody gets through any more."""
        self._target = None
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            target = self._target
            try:
                if target is None:
                    raise ConnectionRefusedError
                far = socket.create_connection(target, CONNECT_S)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._live |= {near, far}
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        """Both directions of one connection, until both have ended."""
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()
        with self._lock:
            self._live -= {near, far}
        near.close()
        far.close()


def _pump(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := here.recv(PART_BYTES):
            there.sendall(part)
    with contextlib.suppress(OSError):
        there.shutdown(socket.SHUT_WR)
