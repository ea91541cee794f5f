"""Which rooms the bot has, and what leads from one to the other: everything is built once, here."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from discord.ext import commands

from bot.bulletins import Bulletins
from bot.cards import Action
from bot.client import PictorBot
from bot.cogs.account import Accounts
from bot.cogs.admin import Admin
from bot.cogs.appeals import Appeals
from bot.cogs.drafts import Drafts
from bot.cogs.help import Help
from bot.cogs.imagine import Imagine
from bot.cogs.jobs import Jobs
from bot.cogs.keys import Keys
from bot.cogs.moderation import Moderation
from bot.cogs.modes import Modes
from bot.cogs.pictures import Pictures
from bot.cogs.policy import Policy
from bot.cogs.prefer import Prefer
from bot.cogs.premium import Premium
from bot.cogs.privacy import Privacy
from bot.cogs.records import Records
from bot.cogs.region import Region
from bot.cogs.reports import Reports
from bot.cogs.subscribe import Subscribe
from bot.cogs.variations import Variations
from bot.cogs.verify import Verify
from bot.cogs.wording import Wording
from bot.courier import Courier
from bot.enhancing import Enhancing
from bot.letters import Letters
from bot.mail import Mail
from bot.messages import Painter
from bot.ordering import Ordering
from bot.pickers import Pickers
from bot.reach import origins
from bot.reach import reaches as reaches
from bot.reception import Handler, Reception
from bot.showcase import Showcase
from bot.sightings import Sightings
from bot.suggestions import shelf_of
from bot.tiles import Tiles
from bot.veils import Veils
from shared.admission import FrontDesk, Rulebook
from shared.bell import Bell
from shared.cashier import Cashier
from shared.catalog import Catalog, read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.intake import Intake
from shared.keychain import Keychain
from shared.outlooks import Outlooks
from shared.oversight.administration import Administration
from shared.oversight.desk import Oversight, open_desk
from shared.oversight.explanations import Explanations
from shared.oversight.voices import Voices
from shared.pace import Pace
from shared.plans import PlanBook, read_plans
from shared.safety.screen import PromptScreen, open_screen
from shared.scribe import Scribe
from shared.storage import ObjectStore, open_store
from shared.witness import Witness
from shared.wordsmith import Wordsmith


@dataclass(frozen=True, slots=True)
class Books:
    """What the operator wrote: plans, catalog, words."""

    plans: PlanBook
    catalog: Catalog
    screen: PromptScreen


@dataclass(frozen=True, slots=True)
class Lines:
    """What the bot reaches over the network, none of it asked for an answer yet."""

    database: Database
    bell: Bell
    events: Events
    outlooks: Outlooks
    store: ObjectStore
    pace: Pace


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the cogs are handed."""

    settings: Settings
    books: Books
    lines: Lines
    bot: PictorBot
    desk: FrontDesk
    mail: Mail
    courier: Courier
    oversight: Oversight
    reception: Reception


@runtime_checkable
class Pressed(Protocol):
    def presses(self) -> dict[Action, Handler]: ...


@runtime_checkable
class SentIn(Protocol):
    def forms(self) -> dict[Action, Handler]: ...


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[PictorBot]:
    """Opens nothing that must answer now: the bot lives while Postgres and Redis are away."""
    async with AsyncExitStack() as stack:
        rooms = furnished(settings, read_books(settings), connect_lines(settings, stack))
        desks = counters(rooms)
        rooms.bot.install(
            rooms.courier,
            [one for one in desks if isinstance(one, commands.Cog)],
            presses=gathered(one.presses for one in desks if isinstance(one, Pressed)),
            forms=gathered(one.forms for one in desks if isinstance(one, SentIn)),
            watches=[
                Bulletins(rooms.oversight.alerts, rooms.bot).run,
                *(one.run for one in desks if isinstance(one, Premium | Keys)),
            ],
        )
        stack.push_async_callback(rooms.bot.close)
        yield rooms.bot


def read_books(settings: Settings) -> Books:
    screen = open_screen(
        settings.blocklist_file, settings.policy_file, figures=settings.public_figures_file
    )
    return Books(read_plans(settings.plans_file), read_catalog(settings.catalog_file), screen)


def connect_lines(settings: Settings, stack: AsyncExitStack) -> Lines:
    database = Database.connect(settings.database, ask_after_s=0)
    redis, bell = connect_redis(settings.redis), Bell(settings.redis)
    for close in (database.close, redis.aclose, bell.close):
        stack.push_async_callback(close)
    store = open_store(settings.storage)
    return Lines(database, bell, Events(redis), Outlooks(redis), store, Pace(redis))


def furnished(settings: Settings, books: Books, lines: Lines) -> Rooms:
    bot, desk = PictorBot(lines.pace), front_desk(settings, books, lines)
    mail = Mail(bot, lines.store)
    courier = Courier(
        mail,
        database=lines.database,
        events=lines.events,
        outlooks=lines.outlooks,
        painter=painter(settings, books, lines.store),
        interval_s=settings.discord.edit_interval_s,
        veil=Veils(bot, lines.database).over,
    )
    oversight = open_desk(
        lines.database,
        lines.bell,
        lines.events,
        lines.store,
        front_desk=desk,
        policy=books.screen.rules,
        safety=settings.safety,
    )
    reception = Reception(books.plans, settings.discord.plan_roles, courier)
    return Rooms(settings, books, lines, bot, desk, mail, courier, oversight, reception)


def front_desk(settings: Settings, books: Books, lines: Lines) -> FrontDesk:
    return FrontDesk(
        lines.database,
        lines.bell,
        lines.events,
        Rulebook(books.plans, books.catalog, books.screen, settings.safety),
        draw_seed=partial(secrets.randbelow, 2**32),
        outlooks=lines.outlooks,
        intake=Intake(lines.store, link_origins(settings, lines.store)),
    )


def painter(settings: Settings, books: Books, store: ObjectStore) -> Painter:
    linked = reaches(settings.discord.api_base, store.url("probe"))
    return Painter(store.url, partial(_title, books.catalog), linked)


def counters(rooms: Rooms) -> list[object]:
    """Everything that answers people: commands, buttons, forms."""
    desk, reception, courier = rooms.desk, rooms.reception, rooms.courier
    ordering = Ordering(desk, reception)
    pickers = Pickers(desk, reception, shelf_of(rooms.books.catalog))
    voices = Voices(rooms.lines.database, rooms.books.plans, rooms.settings.safety)
    return [
        *drawing_counters(rooms, ordering, pickers),
        Jobs(desk, reception, courier),
        Pictures(desk, reception, ordering),
        Region(desk, reception, Tiles(rooms.lines.database, rooms.lines.store)),
        Drafts(desk, reception, ordering),
        *account_counters(rooms, pickers),
        Records(desk, reception, showcase(rooms), pickers),
        *sellers(rooms),
        Help(),
        Appeals(voices, reception),
        Reports(voices, reception, rooms.bot.tree),
        Moderation(rooms.oversight, Letters(rooms.bot), courier, rooms.lines.store),
        Privacy(rooms.oversight.privacy, rooms.mail),
        locksmith(rooms),
        *administrators(rooms),
        *([verify(rooms)] if rooms.settings.provenance.enabled else []),
    ]


def sellers(rooms: Rooms) -> list[object]:
    cashier = Cashier(rooms.lines.database, rooms.books.plans, rooms.settings.safety.pepper)
    return [Premium(rooms.bot, cashier), Subscribe(cashier, rooms.reception)]


def drawing_counters(rooms: Rooms, ordering: Ordering, pickers: Pickers) -> list[object]:
    desk, reception, catalog = rooms.desk, rooms.reception, rooms.books.catalog
    scribe, tree = Scribe(rooms.settings.text, rooms.books.screen), rooms.bot.tree
    smith = Wordsmith(scribe, desk, link_origins(rooms.settings, rooms.lines.store))
    imagine = Imagine(
        ordering,
        reception,
        pickers=pickers,
        enhancing=Enhancing(smith, desk),
        examples=catalog.get(catalog.default).examples,
    )
    wording = Wording(smith, desk=desk, reception=reception, ordering=ordering, tree=tree)
    return [imagine, wording, Variations(tree)]


def account_counters(rooms: Rooms, pickers: Pickers) -> list[object]:
    desk, reception, books = rooms.desk, rooms.reception, rooms.books
    return [
        Accounts(desk, reception, books.plans, books.catalog, pickers),
        Prefer(desk, reception),
        Modes(desk, reception),
    ]


def showcase(rooms: Rooms) -> Showcase:
    lines = rooms.lines
    paints = painter(rooms.settings, rooms.books, lines.store)
    return Showcase(lines.database, paints, lines.store)


def administrators(rooms: Rooms) -> list[object]:
    books, database = rooms.books, rooms.lines.database
    desk = Administration(database, books.plans, books.catalog, rooms.settings.safety)
    explanations = Explanations(database, books.plans, books.catalog)
    return [
        Admin(rooms.oversight, desk, books.plans),
        Policy(explanations, rooms.oversight.house, rooms.reception),
    ]


def locksmith(rooms: Rooms) -> Keys:
    api = rooms.settings.api
    keychain = Keychain(rooms.lines.database, rooms.books.plans, api.pepper, api.key_days)
    house = rooms.oversight.house
    sightings = Sightings(rooms.bot, keychain, reception=rooms.reception, house=house)
    return Keys(
        keychain,
        desk=rooms.desk,
        reception=rooms.reception,
        sightings=sightings,
        url=api.public_url,
    )


def verify(rooms: Rooms) -> Verify:
    store = rooms.lines.store
    witness = Witness(rooms.lines.database, store, link_origins(rooms.settings, rooms.lines.store))
    return Verify(
        witness,
        desk=rooms.desk,
        house=rooms.oversight.house,
        reception=rooms.reception,
        tree=rooms.bot.tree,
    )


def gathered(tables: Iterable[Callable[[], Mapping[Action, Handler]]]) -> dict[Action, Handler]:
    """One action has one handler: two would mean that a button does what nobody expects."""
    found: dict[Action, Handler] = {}
    for table in tables:
        for action, handler in table().items():
            assert action not in found, f"two handlers for {action}"
            found[action] = handler
    return found


def link_origins(settings: Settings, store: ObjectStore) -> set[str]:
    return origins(store.url("probe"), settings.provenance.link_origins)


def _title(catalog: Catalog, name: str) -> str:
    known = catalog.checkpoints.get(name)
    return known.title if known else name
