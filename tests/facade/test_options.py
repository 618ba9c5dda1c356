import inspect
from typing import Any

import pytest

from sockharness import connect, listen
from sockharness.facade.options import ConnectOptions, ServerOptions, known, of_listener
from sockharness.harness import Harness


@pytest.mark.parametrize("kind", ["tcp_server", "tls_pair", "udp_peer", "multicast_group"])
def test_an_unknown_option_is_refused_with_the_one_that_was_meant(
    harness: Harness, kind: str
) -> None:
    make: Any = getattr(harness, kind)

    with pytest.raises(TypeError) as raised:
        make(nam="dns")

    assert str(raised.value) == f"{kind}: there is no option 'nam'; did you mean 'name'?"


def test_what_a_server_passes_on_is_an_option_of_listen() -> None:
    every: Any = dict.fromkeys(known("tcp_server"))
    options: ServerOptions = every

    assert of_listener(options).keys() <= inspect.signature(listen).parameters.keys()


def test_what_a_client_passes_on_is_an_option_of_connect() -> None:
    assert ConnectOptions.__annotations__.keys() <= inspect.signature(connect).parameters.keys()
