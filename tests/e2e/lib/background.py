"""One asyncio loop in a thread, on which the peers of a test live, and waiting for what happens
there.
"""

import asyncio
import inspect
import threading
from typing import Any, Callable, Coroutine

DEADLINE = 60.0  # for any single event; a test that needs it all is about to fail


class Changes:
    """Everything that can be waited for says here when it changed."""

    def __init__(self) -> None:
        self.condition = threading.Condition()

    def notify(self) -> None:
        with self.condition:
            self.condition.notify_all()

    def wait_for(self, predicate: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
        """Returns the predicate's first true value; fails with `what` did not happen."""
        with self.condition:
            value = self.condition.wait_for(predicate, seconds)
        assert value, f"within {seconds:g} s did not happen: {what}"
        return value

    def never(
        self,
        predicate: Callable[[], Any],
        what: str,
        until: Callable[[], Any],
        seconds: float = DEADLINE,
    ) -> None:
        """That `predicate` stays false until a later event, `until`, has come."""
        self.wait_for(
            lambda: until() or predicate(), f"the event before which there is no {what}", seconds
        )
        assert not predicate(), f"happened, but must not: {what}"


class Background:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, name="peers", daemon=True)
        self.thread.start()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def wait(self, coroutine: Coroutine, seconds: float = DEADLINE) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def on_loop() -> Any:
            result = function(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        return self.wait(on_loop())

    def stop(self) -> None:
        self.call(self.cancel_all)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def cancel_all(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class OnLoop:
    """An object that lives on the background's loop: its methods are called there, its data is read
    directly."""

    def __init__(self, background: Background, target: Any):
        self._background, self._target = background, target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value
        return lambda *args, **kwargs: self._background.call(value, *args, **kwargs)
