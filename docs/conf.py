"""Sphinx: the pages of this folder, Markdown, warnings are errors (make docs)."""

project = "metersdk"
author = copyright = "the metersdk authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
