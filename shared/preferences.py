"""What an account set for all its prompts, and the text that it makes of one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.jobs import Visibility
from shared.lineage import How


@dataclass(frozen=True, slots=True)
class Preferences:
    """`options` are texts by name, written --name in a prompt; `suffix` are parameters for its end."""

    model: str = ""
    style: str = ""
    stylize: int | None = None
    raw: bool = False
    aspect: tuple[int, int] | None = None
    visibility: Visibility = Visibility.PUBLIC
    variability: How = How.STRONG
    remix: bool = False
    auto_dm: bool = False
    suffix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
