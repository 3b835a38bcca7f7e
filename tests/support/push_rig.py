"""What meters push, and a line on which they do: SML, mode D, P1, HDLC, C12.18."""

from __future__ import annotations

from collections.abc import Callable

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.axdr import Data
from metersdk.apdu.sml_encode import encode
from metersdk.apdu.sml_types import CloseResponse, GetListResponse, ListEntry, OpenResponse
from metersdk.effects import Dialog, Send, SetLine, Sleep
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.iec62056_21 import to_line
from metersdk.frame.sml import encode_frame
from metersdk.frame.telegram import encode_telegram

SERVER = bytes.fromhex("0a014d534b0000bc614e")
POWER = bytes.fromhex("0100100700ff")
MODE_D = to_line(encode_telegram(b"/MSK3METER", b"1.8.0(000123.456*kWh)\r\nC.1.0(12345678)\r\n", crc=False))
P1 = encode_telegram(b"/MSK5METER", b"0-0:1.0.0(260131120000W)\r\n1-0:1.7.0(01.234*kW)\r\n", crc=True)
C1218 = bytes.fromhex("ee0000000001201310")


def sml(
    value: int = 42, size: int = 4, server: bytes = SERVER, scaler: int | None = -1, unit: int | None = 27
) -> bytes:
    entry = ListEntry(POWER, None, None, unit, scaler, value, None, True, size)
    opened = encode(OpenResponse(None, None, b"1", server, None, None), b"\1")
    values = encode(GetListResponse(None, server, None, None, (entry,), None, None), b"\2")
    return encode_frame(opened + values + encode(CloseResponse(None), b"\3"))


def notification(data: Data) -> bytes:
    apdu = xdlms.DataNotification(xdlms.LongInvoke(1), b"", axdr.encode(data)).encode()
    frame = Frame(b"\x03", b"\x21", control_octet(FrameKind.UI, poll=False), b"\xe6\xe7\x00" + apdu)
    return frame.encode()


def every(telegram: bytes | Callable[[int], bytes], baud: int, period: float = 1.0) -> Dialog[None]:
    yield SetLine(baud)
    number = 0
    while True:
        yield Sleep(period)
        number += 1
        yield Send(telegram(number) if callable(telegram) else telegram)
