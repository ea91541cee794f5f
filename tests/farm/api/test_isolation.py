"""Every route of the app x everybody who may come: who is let in, and who hears of what is another's.

Made from the app's own routes: one without a declaration turns it red (tests/farm/api/isolation/declared.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from farm.api.services import Services
from shared.apikeys import Scope
from shared.config import ApiSettings, Settings
from tests.farm.api.conftest import PEPPER, NewKey
from tests.farm.api.direct import Answered, ask, knock
from tests.farm.api.isolation.declared import ABSENT_TOO, BODIES, DECLARED, PATHS
from tests.farm.api.isolation.examples import Examples
from tests.farm.api.isolation.kinds import PUBLIC, Met, Role, met
from tests.farm.api.isolation.world import ALL, HOME, MARK, OWNER_ID, World, keys_of

MANY = 1_000_000
SEE_ALL = (Role.OWNER, Role.ADMIN, Role.MODERATOR)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    api = ApiSettings(
        pepper=PEPPER,
        requests_per_minute=MANY,
        account_requests_per_minute=MANY,
        address_requests_per_minute=MANY,
    )
    return settings.model_copy(update={"api": api})


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, RouteContext]]:
    """Name, method (none of a socket) and route of each."""
    for route in iter_route_contexts(app.routes):
        methods = sorted((getattr(route, "methods", None) or {""}) - {"HEAD"})
        for method in methods or [""]:
            yield str(route.name), method or _method(route), route


def _method(route: RouteContext) -> str:
    return "GET" if type(route.original_route).__name__ == "Mount" else ""


def scopes_of(dependant: Any) -> set[str]:
    """What a route's key must allow, wherever it says so."""
    own = {str(scope) for scope in getattr(dependant, "oauth_scopes", None) or ()}
    own |= {str(scope) for scope in getattr(dependant, "own_oauth_scopes", None) or ()}
    return own.union(*(scopes_of(one) for one in dependant.dependencies))


class Asking:
    """One request to one route, in the name of whoever has the key."""

    def __init__(self, app: FastAPI, name: str, method: str, route: RouteContext) -> None:
        self._app, self._name, self._method = app, name, method
        self._path = PATHS.get(name) or str(route.path)
        self.names = re.findall(r"{(\w+)(?::\w+)?}", self._path)

    async def __call__(self, of: Mapping[str, str], key: str | None, body: Any) -> Answered:
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: of[found[1]], self._path)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if not self._method:
            return await knock(self._app, path, headers=headers)
        told = BODIES[self._name](of) if self._name in BODIES else body
        sent = b"" if told is None else json.dumps(told).encode()
        headers |= {"content-type": "application/json"} if sent else {}
        return await ask(self._app, self._method, path, headers=headers, body=sent)


def test_every_route_is_declared_and_nothing_else_is(app: FastAPI) -> None:
    assert {name for name, _, _ in routes_of(app)} == set(DECLARED)


def test_only_what_is_public_wants_no_key(app: FastAPI) -> None:
    for name, _, route in routes_of(app):
        dependant = getattr(route, "dependant", None)
        wanted = scopes_of(dependant) if dependant is not None else set()
        assert (not wanted) == (DECLARED[name] is PUBLIC), name


@pytest.mark.timeout(600)  # a thousand requests
async def test_everybody_meets_what_is_declared(
    app: FastAPI, services: Services, new_key: NewKey
) -> None:
    keys, world, examples = await keys_of(new_key), World(services), Examples(app)
    wrong: list[str] = []
    asked = 0
    for name, method, route in routes_of(app):
        asking, expected = Asking(app, name, method, route), DECLARED[name]
        of = await world.params(asking.names)
        for role in Role:
            answered = await asking(of, keys[role], examples.body(name))
            asked += 1
            if met(answered, absent_too=ABSENT_TOO.get(name, "-")) is not expected[role]:
                told = f"{answered.status} {answered.text[:160]}"
                wrong.append(f"{name} {method}, {role}: not {expected[role].value}, but {told}")
            if role not in SEE_ALL and MARK in answered.text:
                wrong.append(f"{name} {method}, {role}: is told what is the owner's alone")
    assert asked == len(list(routes_of(app))) * len(Role)
    assert not wrong, "\n".join(wrong)


async def test_a_key_without_the_scope_opens_no_route(
    app: FastAPI, services: Services, new_key: NewKey
) -> None:
    world, examples = World(services), Examples(app)
    keys = {}
    for scope in (*ALL, Scope.MODERATE):
        others = tuple(one for one in (*ALL, Scope.MODERATE) if one != scope)
        keys[scope] = await new_key(OWNER_ID, scopes=others, guild_id=HOME, rank=3)
    of = await world.params(world.known)
    for name, method, route in routes_of(app):
        dependant = getattr(route, "dependant", None)
        for scope in scopes_of(dependant) - {Scope.ADMIN} if dependant is not None else ():
            answered = await Asking(app, name, method, route)(of, keys[scope], examples.body(name))
            assert met(answered) is Met.FORBIDDEN, (name, method, scope)
