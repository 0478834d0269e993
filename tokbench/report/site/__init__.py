"""The board as a static site: plain files that open from a folder, nothing fetched from elsewhere.

`site.py` writes the pages; each of the other modules prepares what one part of them shows, and the
templates only lay it out. Every text is escaped by the templates: names and titles are strangers'.
"""
