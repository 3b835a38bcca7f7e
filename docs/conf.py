"""Sphinx: the pages of this folder, Markdown, warnings are errors (make docs)."""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

project = "metersdk"
author = copyright = "the metersdk authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

_STYLE = Config(napoleon_use_rtype=False, napoleon_use_ivar=True)


def _google(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    # Napoleon as an extension takes what stands before a colon in the text of a property for its type.
    if what not in ("attribute", "property"):
        lines[:] = str(GoogleDocstring(lines, _STYLE, app, what, name, obj, options)).splitlines()


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", _google)
