"""Shared code of the tests of embedded reactors."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import trio

from tests.helpers.conformance import Check

Run = Callable[[Check], None]
RunLoop = Callable[[Coroutine[Any, Any, Any]], Any]
LIBRARIES = ("asyncio", "uvloop", "trio")


class Boom(Exception):
    """Raised by a handler."""


def boom(*_args: Any) -> None:
    raise Boom


def in_trio() -> bool:
    return trio.lowlevel.in_trio_task()


async def breathe() -> None:
    await (trio.lowlevel.checkpoint() if in_trio() else asyncio.sleep(0))


async def in_tasks(*functions: Callable[[], Awaitable[None]]) -> None:
    """Run functions at the same time, in whatever is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)
    else:
        await asyncio.gather(*(function() for function in functions))
