"""Which class a new connection gets."""

from sockharness.engine.secure.plan import Plan
from sockharness.engine.tcp.socket import Socket


def socket_class(plan: Plan | None) -> type[Socket]:
    """Return the class of sockets; that for TLS is loaded only when there is TLS."""
    if plan is None:
        return Socket
    from sockharness.engine.secure.socket import SecureSocket

    return SecureSocket
