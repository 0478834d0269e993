"""Collected where the pretend GPU was asked for, and skipped where torch lacks it."""

from __future__ import annotations

import sys

import pytest

installer = sys.modules.get("tests.pretend.install")
collect_ignore_glob = [] if installer else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if installer is not None and installer.LIBRARY is None:
        reason = "this torch has no Python backend for PrivateUse1 (2.13 has)"
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
