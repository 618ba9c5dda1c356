"""The time that a network of two linked hosts costs a test: set-up and tear-down."""

import time

from sockharness.errors import Unavailable
from sockharness.netns import Network


def measure(*, rounds: int) -> dict[str, object]:
    """Return the seconds of each part, a value per round; nothing without networks."""
    try:
        runs = [_once() for _ in range(rounds + 1)][1:]
    except Unavailable as error:
        print(f"networks: left out, {error}")
        return {}
    parts = zip(("open", "link", "close"), zip(*runs, strict=True), strict=True)
    return {"seconds": {name: list(seconds) for name, seconds in parts}}


def _once() -> tuple[float, float, float]:
    began = time.perf_counter()
    network = Network.open()
    opened = time.perf_counter()
    try:
        network.pair()
        linked = time.perf_counter()
    finally:
        network.close()
    return opened - began, linked - opened, time.perf_counter() - linked
