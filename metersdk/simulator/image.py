"""A meter in software, written down: identity, objects, clients, clock, profiles; read from a TOML file.

``Image.load("residential")`` takes a built-in image, ``Image.load("my-meter.toml")`` a file. ``device()`` makes a meter
of it that can be served: each call another one, with its own clock and counters.

The built-in images hold the published test keys of the DLMS world (00 01 .. 0F and D0 D1 .. DF) and the password
12345678. They protect nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from metersdk.errors import LocalProtocolError
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.spec import ImageSpec

BUILT_IN = ("residential", "classic", "battery", "ansi", "bench")


class Image(ImageSpec):
    """A simulated meter, as written down."""

    @classmethod
    def load(cls, name: str | Path) -> Image:
        """A built-in image by its name, any other by its path.

        Raises:
            LocalProtocolError: no such image, or it is not well formed; the message says where.
        """
        try:
            if str(name) in BUILT_IN:
                text = resources.files("metersdk.simulator").joinpath(f"images/{name}.toml").read_text("utf-8")
            else:
                text = Path(name).read_text("utf-8")
            return cls.parse(text)
        except FileNotFoundError as error:
            hint = f"built-in images: {', '.join(BUILT_IN)}; any other is a TOML file"
            raise LocalProtocolError(f"there is no image {name}", layer="port", hint=hint) from error
        except (OSError, ValueError) as error:
            hint = f"built-in images: {', '.join(BUILT_IN)}"
            raise LocalProtocolError(f"the image {name} cannot be read: {error}", layer="port", hint=hint) from error

    @classmethod
    def parse(cls, text: str) -> Image:
        """Raises: LocalProtocolError: not TOML, or not an image."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise LocalProtocolError(f"the image is no TOML: {error}", layer="port") from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "image"
            raise LocalProtocolError(f"{where}: {first['msg']}", layer="port") from None

    def device(self, now: Callable[[], datetime] | None = None) -> MeterDevice:
        """A meter of this image. ``now`` gives the true time, zone included; ``clock.fixed`` comes before it.

        Raises:
            LocalProtocolError: an object of the image does not fit its class.
        """
        fixed = self.clock.fixed
        return MeterDevice(self, (lambda: fixed) if fixed else now or (lambda: datetime.now(UTC)))
