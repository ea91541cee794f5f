"""One app for many tests: building its hundred and more routes takes longer than most of them."""

from collections.abc import Callable
from typing import Any, cast

from fastapi import FastAPI

from farm.api.app import create_app
from farm.api.services import Services

# What routes are built with. The rest they may keep, but ask it only while a request is answered.
VALUES = frozenset({"settings", "plans", "catalog", "url"})


class Standin:
    """Stands for services of the test at hand; what routes keep of it while they are built does so too."""

    def __init__(self, find: Callable[[], Any], is_building: Callable[[], bool]) -> None:
        self._find, self._is_building = find, is_building

    def __getattr__(self, name: str) -> Any:
        if name in VALUES or not self._is_building():
            return getattr(self._find(), name)
        return Standin(lambda: getattr(self._find(), name), self._is_building)


class Apps:
    """An app for each setting of it, answering with the services it was last asked for with."""

    def __init__(self) -> None:
        self._services: Services | None = None
        self._building = False
        self._built: dict[str, FastAPI] = {}

    def of(self, services: Services) -> FastAPI:
        self._services = services
        settings = services.settings
        key = repr((settings.api, settings.text))
        if key not in self._built:
            self._built[key] = self._build()
        return self._built[key]

    def _build(self) -> FastAPI:
        self._building = True
        try:
            return create_app(
                cast(Services, Standin(lambda: self._services, lambda: self._building))
            )
        finally:
            self._building = False
