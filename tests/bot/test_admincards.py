"""What admins read: every setting is told, names are harmless, and nothing is too long for Discord."""

from datetime import UTC, datetime

from bot import admincards
from bot.alertcards import line_of
from bot.cards import PANEL_LIMIT, Card
from shared.access import Decision
from shared.guilds import GuildSettings, Limits, Mature
from shared.oversight.administration import Figures
from shared.oversight.alerts import ACTIONS, Alert
from shared.oversight.explanations import Explanation
from shared.plans import Speed
from shared.reports.sheets import By, Row, Sheet
from shared.reports.spans import month_of
from shared.reports.usage import COLUMNS

NOVEMBER = month_of("2026-11")
LINE = "server setting `models`: x is for <@&9> only"
NOW = datetime(2026, 11, 30, 22, 5, tzinfo=UTC)


def words(card: Card) -> str:
    assert card.panel is not None
    assert len(card.panel.text) <= PANEL_LIMIT
    return card.panel.text


def test_a_server_that_set_nothing_is_open() -> None:
    told = words(admincards.settings_card(GuildSettings()))
    assert "**Channels** all" in told
    assert "**Models** all, for everyone" in told
    assert "**Limits** none" in told


def test_every_setting_is_told() -> None:
    settings = GuildSettings(
        channels=tuple(map(str, range(100))),
        models={f"model-{n}": ("role:3", "plan:pro", "everyone") for n in range(40)} | {"ink": ()},
        limits={"everyone": Limits(Speed.FAST), "role:3": Limits(waiting=2, jobs=3, steps=4)},
        default_model="sdxl",
        nsfw=Mature.NEVER,
        stealth=False,
        spoiler_channels=("5",),
    )
    told = words(admincards.settings_card(settings, changed=True))
    for part in (
        "<#0>, ",
        "90 more",
        "model-0: <@&3>, the pro plan, everyone",
        "and 31 more",
        "<@&3>: waiting 2, jobs 3, steps 4",
        "everyone: no faster than fast",
        "**Fastest speed** fast",
        "sdxl",
        "**NSFW** never",
        "not on this server",
        "in <#5>",
    ):
        assert part in told


def figures(*names: str) -> Figures:
    rows = tuple(
        Row(str(n), name, (2, 1, 1, 0, 0, 4, 120_000, 60_000)) for n, name in enumerate(names)
    )
    people = Sheet("usage", By.USER, NOVEMBER, COLUMNS, rows)
    return Figures(NOVEMBER, False, people, people)


def test_a_month_is_told_and_names_are_harmless() -> None:
    told = words(
        admincards.usage_card(figures("**Ada** @everyone", *("x" * 90 for _ in range(30))))
    )
    assert "**Jobs** 62, 50% of them succeeded (31 failed, 0 blocked, 0 cancelled)" in told
    assert "\\*\\*Ada\\*\\*" in told
    assert "and 21 more" in told
    assert "Nothing was drawn" in words(admincards.usage_card(figures()))


def test_staff_hear_that_the_books_disagree() -> None:
    alert = Alert(1, NOW, "auditor", "mismatch", "books", {"drift": ["job 1: x"], "money": ["y"]})
    assert "mismatch" in ACTIONS
    assert "The books disagree** (drift, money): `pictor report reconcile`" in line_of(alert)


def test_an_explanation_says_yes_or_no_and_by_which_line() -> None:
    no = Decision(False, LINE, "c", f"By {LINE}. Choose another.")
    yes = Decision(True, "plan Pro: models = all")
    told = Explanation("x", "Pro", no, (yes, no))
    card = admincards.explained_card("<@1>", "<#2>", told, NOW)
    assert words(card).startswith("<@1> may **not** draw with `x` in <#2>.\n**Decided by** server")
    assert "- yes: plan Pro: models = all\n- **no**: server setting" in words(card)
    assert "only\nChoose another." in words(card)
    fine = admincards.explained_card("<@1>", "<#2>", Explanation("x", "Pro", yes, (yes,)), NOW)
    assert words(fine) == ("<@1> may draw with `x` in <#2>.\n**Decided by** plan Pro: models = all")
