"""Which class a new connection gets."""

from sockharness.engine.stream import Socket
from sockharness.engine.tls.plan import Plan


def socket_class(plan: Plan | None) -> type[Socket]:
    """Return the class of sockets; that for TLS is loaded only when there is TLS."""
    if plan is None:
        return Socket
    from sockharness.engine.secure import SecureSocket

    return SecureSocket
