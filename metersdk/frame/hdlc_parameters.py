"""The parameter field of SNRM and UA (IEC 62056-46 6.4.4.4.3.2): what each side can send and take."""

from __future__ import annotations

from dataclasses import dataclass

from metersdk.errors import Finding

# Defaults, and what a missing or absurd value stands for.
DEFAULT_INFORMATION = 128
DEFAULT_WINDOW = 1
# Range of the information field (32..2030 octets) and of the window (1..7 frames).
INFORMATION_RANGE = range(32, 2031)
WINDOW_RANGE = range(1, 8)

_FORMAT, _GROUP, _USER_DATA = 0x81, 0x80, 0xFF
_INFORMATION_TX, _INFORMATION_RX, _WINDOW_TX, _WINDOW_RX = 5, 6, 7, 8
_FIELDS = {
    _INFORMATION_TX: ("max_info_tx", INFORMATION_RANGE, DEFAULT_INFORMATION),
    _INFORMATION_RX: ("max_info_rx", INFORMATION_RANGE, DEFAULT_INFORMATION),
    _WINDOW_TX: ("window_tx", WINDOW_RANGE, DEFAULT_WINDOW),
    _WINDOW_RX: ("window_rx", WINDOW_RANGE, DEFAULT_WINDOW),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """Octets of information and frames in a window. Transmit and receive are those of the SENDER of the frame."""

    max_info_tx: int = DEFAULT_INFORMATION
    max_info_rx: int = DEFAULT_INFORMATION
    window_tx: int = DEFAULT_WINDOW
    window_rx: int = DEFAULT_WINDOW

    def encode(self, *, windows: bool = True) -> bytes:
        """The information field; ``windows=False`` leaves the windows to their default of 1."""
        items = _information(_INFORMATION_TX, self.max_info_tx) + _information(_INFORMATION_RX, self.max_info_rx)
        if windows:
            items += _window(_WINDOW_TX, self.window_tx) + _window(_WINDOW_RX, self.window_rx)
        return bytes((_FORMAT, _GROUP, len(items))) + items

    @classmethod
    def decode(cls, information: bytes) -> tuple[Parameters, list[Finding]]:
        """Read a parameter field, tolerantly: this is never an error.

        A missing field or value means its default (128 octets, 1 frame). So does a value out of range, with a finding.
        Values may have any length from one octet; an unknown item and the user data (``FF``) are passed over.
        """
        if not information:
            return cls(), []
        if information[0] != _FORMAT:
            return cls(), [_finding("no parameter field where one was expected", 0)]
        findings: list[Finding] = []
        values: dict[str, int] = {}
        at = 1
        while at < len(information):
            group = information[at]
            if group == _USER_DATA:
                break
            if at + 1 >= len(information):
                findings.append(_finding("the parameter field breaks off", at))
                break
            start, end = at + 2, at + 2 + information[at + 1]
            if end > len(information):
                findings.append(_finding("the group length is beyond the end of the information field", at + 1))
                end = len(information)
            if group == _GROUP:
                _read_group(information, start, end, values, findings)
            else:
                findings.append(_finding(f"unknown parameter group {group:02X}", at))
            at = end
        return cls(**values), findings


def _read_group(information: bytes, at: int, end: int, values: dict[str, int], findings: list[Finding]) -> None:
    while at < end:
        item = information[at]
        after = at + 2 + (information[at + 1] if at + 1 < end else end)
        if after > end:
            findings.append(_finding(f"parameter {item:02X} breaks off", at))
            return
        value = int.from_bytes(information[at + 2 : after], "big")
        if item in _FIELDS:
            name, allowed, default = _FIELDS[item]
            if value not in allowed:
                findings.append(_finding(f"{name} {value} is out of range; {default} is used", at))
                value = default
            values[name] = value
        at = after


def _information(item: int, value: int) -> bytes:
    return bytes((item, 1, value)) if value < 0x100 else bytes((item, 2, value >> 8, value & 0xFF))


def _window(item: int, value: int) -> bytes:
    return bytes((item, 4, 0, 0, 0, value))


def _finding(text: str, offset: int) -> Finding:
    return Finding("hdlc-parameters", text, "frame", offset, "the default is used in its place")
