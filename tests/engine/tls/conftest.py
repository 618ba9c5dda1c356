from tests.engine.conftest import reactor

__all__ = ["reactor"]
