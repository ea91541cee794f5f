"""What the API's rooms are handed: the same desk as the bot's, wired once."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from redis.asyncio import Redis

from farm.api.following import Following
from farm.api.huggingface import HuggingFace
from farm.api.quotas import Quotas
from farm.tryon import FittingRoom
from shared.admission import FrontDesk, Rulebook
from shared.bell import Bell
from shared.catalog import Catalog, read_catalog
from shared.chamber import Chamber
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.hookdesk import Addresses, HookDesk
from shared.intake import Intake
from shared.keychain import Keychain
from shared.loras import Loras
from shared.outlooks import Outlooks
from shared.oversight.administration import Administration
from shared.oversight.desk import Oversight, open_desk
from shared.oversight.explanations import Explanations
from shared.oversight.voices import Voices
from shared.plans import PlanBook, read_plans
from shared.safety.screen import PromptScreen, open_screen
from shared.scribe import Scribe
from shared.stock import Stock
from shared.storage import ObjectStore, open_store
from shared.witness import Witness
from shared.wordsmith import Wordsmith

STENCIL = "farm.api.openai.stencil"  # the room where masks of strangers are read


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    redis: Redis
    store: ObjectStore
    events: Events
    outlooks: Outlooks
    plans: PlanBook
    catalog: Catalog
    screen: PromptScreen
    intake: Intake
    desk: FrontDesk
    oversight: Oversight
    scribe: Scribe
    following: Following
    explanations: Explanations
    administration: Administration
    voices: Voices
    witness: Witness
    hooks: HookDesk
    keychain: Keychain
    quotas: Quotas
    huggingface: HuggingFace | None
    fitting: FittingRoom
    loras: Loras
    stock: Stock
    wordsmith: Wordsmith
    stencils: Chamber


@dataclass(frozen=True, slots=True)
class Lines:
    """What the API reaches over the network, none of it asked for an answer yet. `origins`: links to our own
    pictures need not lead to a public address."""

    database: Database
    redis: Redis
    bell: Bell
    events: Events
    outlooks: Outlooks
    store: ObjectStore
    origins: set[str]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """Opens nothing that must answer now: the API lives while Postgres and Redis are away."""
    async with AsyncExitStack() as stack:
        lines = _connected(settings)
        services = _furnished(settings, lines, _read(settings))
        if services.huggingface is not None:
            stack.callback(services.huggingface.close)
        chambers = (services.fitting.close, services.stencils.close)
        closing = (services.following.close, services.wordsmith.close, *chambers)
        for close in (lines.database.close, lines.redis.aclose, lines.bell.close, *closing):
            stack.push_async_callback(close)
        yield services


def _connected(settings: Settings) -> Lines:
    redis, store = connect_redis(settings.redis), open_store(settings.storage)
    return Lines(
        database=Database.connect(settings.database, ask_after_s=0),
        redis=redis,
        bell=Bell(settings.redis),
        events=Events(redis),
        outlooks=Outlooks(redis),
        store=store,
        origins=_own_origins(settings, store),
    )


def _read(settings: Settings) -> Rulebook:
    """What the operator wrote: plans, catalog, words."""
    screen = open_screen(
        settings.blocklist_file, settings.policy_file, figures=settings.public_figures_file
    )
    plans, catalog = read_plans(settings.plans_file), read_catalog(settings.catalog_file)
    return Rulebook(plans, catalog, screen, settings.safety)


def _furnished(settings: Settings, lines: Lines, books: Rulebook) -> Services:
    database, plans, catalog = lines.database, books.plans, books.catalog
    intake, addresses = Intake(lines.store, lines.origins), Addresses(settings.api.hook_origins)
    desk = _front_desk(lines, books, intake, addresses)
    scribe, fitting = Scribe(settings.text, books.screen), FittingRoom()
    keychain = Keychain(database, plans, settings.api.pepper, settings.api.key_days)
    quotas = Quotas(lines.redis, settings.api)
    return Services(
        settings=settings,
        database=database,
        redis=lines.redis,
        store=lines.store,
        events=lines.events,
        outlooks=lines.outlooks,
        plans=plans,
        catalog=catalog,
        screen=books.screen,
        intake=intake,
        desk=desk,
        oversight=_oversight(lines, books, desk),
        scribe=scribe,
        following=Following(database, lines.events, lines.outlooks),
        explanations=Explanations(database, plans, catalog),
        administration=Administration(database, plans, catalog, settings.safety),
        voices=Voices(database, plans, settings.safety),
        witness=Witness(database, lines.store, lines.origins),
        hooks=HookDesk(database, addresses, settings.api.pepper),
        keychain=keychain,
        quotas=quotas,
        huggingface=_huggingface(settings, lines.redis, keychain, quotas),
        fitting=fitting,
        loras=_loras(lines, books, fitting),
        stock=Stock(database, catalog, settings.farm.worker_silent_s),
        wordsmith=Wordsmith(scribe, desk, lines.origins),
        stencils=Chamber(STENCIL),
    )


def _front_desk(lines: Lines, books: Rulebook, intake: Intake, addresses: Addresses) -> FrontDesk:
    return FrontDesk(
        lines.database,
        lines.bell,
        lines.events,
        books,
        draw_seed=partial(secrets.randbelow, 2**32),
        outlooks=lines.outlooks,
        intake=intake,
        addresses=addresses,
    )


def _oversight(lines: Lines, books: Rulebook, desk: FrontDesk) -> Oversight:
    return open_desk(
        lines.database,
        lines.bell,
        lines.events,
        lines.store,
        front_desk=desk,
        policy=books.screen.rules,
        safety=books.safety,
    )


def _loras(lines: Lines, books: Rulebook, fitting: FittingRoom) -> Loras:
    return Loras(
        lines.database,
        lines.store,
        catalog=books.catalog,
        book=books.plans,
        try_on=fitting.try_on,
        pepper=books.safety.pepper,
    )


def _huggingface(
    settings: Settings, redis: Redis, keychain: Keychain, quotas: Quotas
) -> HuggingFace | None:
    url, pepper = settings.api.huggingface_url, settings.api.pepper
    if url is None or pepper is None:
        return None
    return HuggingFace(url, pepper, redis=redis, keychain=keychain, quotas=quotas)


def _own_origins(settings: Settings, store: ObjectStore) -> set[str]:
    parts = urlsplit(store.url("probe"))
    return {f"{parts.scheme}://{parts.netloc}", *settings.provenance.link_origins}
