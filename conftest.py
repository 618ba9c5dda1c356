import gc

# pytester removes the modules that a run inside this process imported, but not the packages that
# hold them, so a second run would see old and new classes. This file imports such modules before.
# hypothesis is one of them: each run imports it, it searches for references to trio's random
# numbers, and it warns if it finds none; it finds none among the objects frozen below. The classes
# of yaml's events have to be those that its C parser, which is loaded once, makes events of.
import hypothesis  # noqa: F401
import pytest
import yaml  # noqa: F401

import sockharness.harness
import sockharness.suite.collector  # noqa: F401

pytest_plugins = ["pytester", "tests.gallery.plugin"]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of garbage collections from now on.

    Many tests collect garbage: some count descriptors, others run a pytest. Each collection would
    go through all collected tests.
    """
    gc.collect()
    gc.freeze()
