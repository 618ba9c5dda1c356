# pytester forgets the modules that a run inside this process imported, but not the packages that
# hold them, so a second run would meet both old and new classes. Whatever such runs import is
# imported here before, once.
import sockharness.collector
import sockharness.harness  # noqa: F401

pytest_plugins = ["pytester"]
