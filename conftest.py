# pytester forgets the modules that a run inside this process imported. libyaml's classes exist once
# a process, so PyYAML has to be imported before the first such run, and only once.
import yaml as _yaml  # noqa: F401

pytest_plugins = ["pytester"]
