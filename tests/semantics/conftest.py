from tests.engine.conftest import kind, reactor, talk, tcp

__all__ = ["kind", "reactor", "talk", "tcp"]
