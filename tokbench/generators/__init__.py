"""The paper's generator, and the reference baselines."""

from __future__ import annotations

from tokbench.api import Generator, hookimpl


@hookimpl
def register_generators() -> list[type[Generator]]:
    """Built-in generators."""
    from tokbench.generators.bigram import Bigram
    from tokbench.generators.popularity import Popularity
    from tokbench.generators.tiger import Tiger

    return [Tiger, Popularity, Bigram]
