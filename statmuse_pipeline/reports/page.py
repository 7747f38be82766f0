"""How every page is rendered from its template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def render_page(template: str, values: Mapping[str, Any]) -> str:
    """The template of that name as HTML, every value escaped.

    Raises:
        jinja2.UndefinedError: when the template asks for a value that is not given.
    """
    environment = Environment(
        loader=PackageLoader("statmuse_pipeline.reports"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)
