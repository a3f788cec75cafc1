"""Real servers for tests and newcomers: PostgreSQL and a single-node Apache Kafka.

Only the standard library, so that it runs before anything is installed:

    python -m tools.servers up        start both, or say where they already are
    python -m tools.servers down      stop both and remove their data

From Python, a server of one's own that may be killed and brought back:

    with Postgres.start(folder) as server:
        server.kill()       # kill -9
        server.restart()    # the same port, the same data
"""

from tools.servers.base import NotUp, Server
from tools.servers.broker import Kafka
from tools.servers.installing import Missing
from tools.servers.postgres import Postgres
from tools.servers.processes import free_port
from tools.servers.running import Running, down, guard, install, status, up

__all__ = [
    "Kafka",
    "Missing",
    "NotUp",
    "Postgres",
    "Running",
    "Server",
    "down",
    "free_port",
    "guard",
    "install",
    "status",
    "up",
]
