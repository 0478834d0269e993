"""`make docs`: every page is in the navigation, links lead somewhere, no asset is external."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
ROOT = Path(__file__).parent.parent


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path / "site")], cwd=ROOT,
        capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    first = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|rel="stylesheet" href)="https?://', first)
    api = (tmp_path / "site/api/index.html").read_text(encoding="utf-8")
    assert "tokenizers" in api and 'class="doc doc-heading"' in api
    assert (tmp_path / "site/search/search_index.json").stat().st_size > 100_000
