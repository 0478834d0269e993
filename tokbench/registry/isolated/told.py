"""What a plugin's process may say of its components, checked like all that comes from there."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tokbench.registry.registry import KINDS, NAME


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OptionTold(_Closed):
    """One option of a component."""

    required: bool
    default: Any
    description: str
    extra: dict[str, Any]
    schema_: dict[str, Any] = Field(alias="schema")


class Told(_Closed):
    """What a plugin's process says of one component (`describe` in settings.py)."""

    kind: str = Field(pattern=f"^({'|'.join(KINDS)})$")
    name: str = Field(pattern=f"^{NAME.pattern}$", max_length=100)
    version: int
    doc: str
    citation: str
    deviations: tuple[str, ...]
    presets: dict[str, dict[str, Any]]
    options: dict[str, OptionTold]
    flags: dict[str, bool]


class SettledTold(_Closed):
    """What it says of a component with its options."""

    fingerprint: str = Field("", pattern=r"^([a-z0-9-]{1,100}#[0-9a-f]{16})?$")
    name: str = Field("", max_length=200)
    label: str = Field("", max_length=1000)
    config: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    options: dict[str, Any] = {}
    flags: dict[str, bool] = {}
    own_label: str = Field(max_length=1000)
