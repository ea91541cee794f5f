"""What an admin wants at hand, or gone: carried out beside the loop, one by one, by the pool's rules."""

import logging
import queue
import threading
from collections.abc import Callable

from farm.engine.adapters.wardrobe import Wardrobe
from farm.engine.memory.pool import Pool
from farm.engine.messages import Stock, Stocked
from shared.errors import Fault, Refusal

log = logging.getLogger(__name__)

UNEXPECTED = "Something unexpected went wrong; the worker's log says what."


class Stockroom:
    """Its thread begins with the first order: a load takes a minute, and no step waits for it."""

    def __init__(self, pool: Pool, wardrobe: Wardrobe, send: Callable[[Stocked], None]) -> None:
        self._pool, self._wardrobe, self._send = pool, wardrobe, send
        self._orders: queue.SimpleQueue[Stock] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def take(self, order: Stock) -> None:
        self._orders.put(order)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="stockroom", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            order = self._orders.get()
            self._send(self.carried_out(order))

    def carried_out(self, order: Stock) -> Stocked:
        try:
            (self._of_lora if order.kind == "lora" else self._of_checkpoint)(order)
        except (Refusal, Fault) as no:
            return Stocked(order.id, done=False, detail=no.sentence)
        except Exception as problem:
            log.exception("%s could not be stocked.", order.name, exc_info=problem)
            return Stocked(order.id, done=False, detail=UNEXPECTED)
        return Stocked(order.id, done=True)

    def _of_checkpoint(self, order: Stock) -> None:
        """Who is loaded has nobody to stay for: what is wanted more may take its place again."""
        if order.there:
            self._pool.get(order.name)
        else:
            self._pool.unload(order.name)
            self._pool.idle()

    def _of_lora(self, order: Stock) -> None:
        if order.garment is not None:
            self._wardrobe.receive([order.garment])
        elif not self._wardrobe.dismiss(order.name):
            raise Refusal("in_use", f"{order.name} is in use. Try again when its jobs have ended.")
