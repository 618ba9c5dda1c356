import gc

# pytester forgets the modules that a run inside this process imported, but not the packages that
# hold them, so a second run would meet both old and new classes. Whatever such runs import is
# imported here before, once. So is hypothesis, which each run imports: it looks for who refers to
# trio's random numbers, warns if nobody does, and sees nobody among what is frozen below.
import hypothesis  # noqa: F401
import pytest

pytest_plugins = ["pytester"]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of garbage collections from now on.

    Many tests collect garbage, to count descriptors or because a pytest inside them ends, and each
    time everything that was collected would be gone through.
    """
    gc.collect()
    gc.freeze()
