"""The pretended accelerator that the tests of this folder share."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def pretend() -> ModuleType:
    """The module `pretend.py`; `install()` makes the device known to torch."""
    spec = importlib.util.spec_from_file_location("pretend", Path(__file__).with_name("pretend.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pretend"] = module  # where dataclasses look for its names
    spec.loader.exec_module(module)
    return module
