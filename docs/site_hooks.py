"""Hooks of `make docs`: pages of the repository that lie outside docs/, and links between them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {  # of the repository -> of the site
    "README.md": "index.md",
    "plugins/README.md": "methods.md",
    "CONTRIBUTING.md": "contributing.md",
    "results/BOARD.md": "board.md",
}
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, their links turned into those of the site."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=linked(text, posixpath.dirname(source))))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of pages under docs/ that leave it."""
    return markdown if page.file.src_uri in PAGES.values() else linked(markdown, "docs")


def linked(text: str, folder: str) -> str:
    """A page's text for the site. A link to a file that is no page becomes its name."""

    def turned(match: re.Match[str]) -> str:
        said, target = match[1], match[2]
        path, hash_, anchor = target.partition("#")
        if not path or "://" in target:
            return match[0]
        place = posixpath.normpath(posixpath.join(folder, path))
        page = PAGES.get(place) or (place.removeprefix("docs/") if is_page(place) else "")
        return f"[{said}]({page}{hash_}{anchor})" if page else f"{said} (`{place}`)"

    return LINK.sub(turned, text)


def is_page(place: str) -> bool:
    """Is that file of the repository a page under docs/?"""
    return place.startswith("docs/") and place.endswith(".md") and (ROOT / place).is_file()
