"""The event loop, inline, on a thread of its own, or inside asyncio or trio."""

# `Reactor.current()` has to find the reactor of an outer loop, whichever module is imported first.
from sockharness.engine.loop import embed as embed
