"""What mpmath, which gives the references, deprecates is not what is tested here."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(
                pytest.mark.filterwarnings("ignore::DeprecationWarning:mpmath")
            )
