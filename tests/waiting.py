"""How tests wait for what gives no signal: a broker, another process, a state one can only ask.

Whoever can be waited for is waited for (an event, a line on a pipe, a task): this is for the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable

WAIT_S = 40.0
LOOK_S = 0.01


async def eventually(
    true: Callable[[], bool | Awaitable[bool]],
    *,
    within_s: float = WAIT_S,
    look_s: float = LOOK_S,
) -> None:
    """Ask until it is true, resting `look_s` after each no. Raises TimeoutError at `within_s`."""
    async with asyncio.timeout(within_s):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(look_s)
