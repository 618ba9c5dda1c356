from tests.engine.conftest import reactor
from tests.helpers.ports import free_port

__all__ = ["free_port", "reactor"]
