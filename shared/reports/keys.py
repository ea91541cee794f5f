"""How rows of the ledger are told apart: by whom, where, under which plan, with what, on which day."""

from dataclasses import dataclass

from shared.moderation.pseudonyms import is_pseudonym
from shared.reports.sheets import NONE, By


@dataclass(frozen=True, slots=True)
class Grouping:
    """SQL of the key and the label; `l` is the ledger, `j` its job, `a` its account."""

    key: str
    label: str = "''"
    of_job: bool = True  # only a job has one


GROUPINGS = {
    By.USER: Grouping("a.discord_id", "a.name", of_job=False),
    By.GUILD: Grouping("coalesce(j.guild_id, '-')"),
    By.PLAN: Grouping("coalesce(j.plan, '-')"),
    By.MODEL: Grouping("coalesce(j.spec ->> 'checkpoint', '-')"),
    By.DAY: Grouping("to_char(l.at at time zone 'UTC', 'YYYY-MM-DD')", of_job=False),
}


def label_of(by: By, key: str, name: str) -> str:
    """Who had themselves erased is told apart by a number that leads nowhere."""
    if by is By.USER:
        return f"erased {key.partition(':')[2][:8]}" if is_pseudonym(key) else name
    if key == NONE:
        return "no server" if by is By.GUILD else "no job"
    return key
