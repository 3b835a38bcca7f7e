"""From a target to an open port. The library behind a kind of port is imported only when that kind is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from metersdk.errors import LocalProtocolError
from metersdk.port.drive import AsyncPort, Port
from metersdk.port.target import Address, parse_address

__all__ = ["Address", "AsyncOpener", "Opener", "aopen_port", "open_port", "parse_address"]

Opener = Callable[[Address], Port]
AsyncOpener = Callable[[Address], AsyncPort]


def open_port(target: str | Address, *, openers: Mapping[str, Opener] | None = None) -> Port:
    """Open a target for blocking use.

    Args:
        target: what ``parse_address`` takes.
        openers: who opens a scheme that ports know nothing of, ``{"sim": ...}``.

    Raises:
        PortError: it cannot be opened (not found, denied, busy, refused).
        LocalProtocolError: the target makes no sense.
    """
    address = parse_address(target)
    if openers and address.scheme in openers:
        return openers[address.scheme](address)
    match address.scheme:
        case "serial" | "pty":
            from metersdk.port.serial_port import open_serial

            return open_serial(address)
        case "rfc2217":
            from metersdk.port.serial_port import open_rfc2217

            return open_rfc2217(address)
        case "esphome":
            from metersdk.port.remote import open_esphome

            return open_esphome(address)
        case "trace":
            from metersdk.port.trace import ReplayPort

            return ReplayPort(address.path, strict=address.strict)
        case "tcp" | "udp" | "listen":
            from metersdk.port.blocking import open_socket

            return open_socket(address)
    raise _nobody_opens(address)


async def aopen_port(target: str | Address, *, openers: Mapping[str, AsyncOpener] | None = None) -> AsyncPort:
    """Open a target for asyncio; arguments and errors as ``open_port``."""
    address = parse_address(target)
    if openers and address.scheme in openers:
        return openers[address.scheme](address)
    match address.scheme:
        case "sim":
            raise _nobody_opens(address)
        case "trace":
            from metersdk.port.trace import ReplayPort
            from metersdk.port.virtual import AsyncFromSync

            return AsyncFromSync(ReplayPort(address.path, strict=address.strict))
    from metersdk.port.streams import open_async

    return await open_async(address)


def _nobody_opens(address: Address) -> LocalProtocolError:
    return LocalProtocolError(f"nobody here opens {address}", hint="the simulator opens sim:// targets")
