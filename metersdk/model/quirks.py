"""Where meters and the standard, or two readings of the standard, do not agree: one switch each.

A vendor profile sets them; the defaults are what the standard says, or what most meters do where it is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """Switches for disputed behaviour of one meter family."""

    family: str = ""
    """Name of the family these switches are of; empty for the standard, or for switches of one's own."""

    protocol: Literal["auto", "kmp", "c1218"] = "auto"
    """What the meter speaks, where it is not found out by signing on: KMP of Kamstrup, ANSI C12.18."""

    mode: Literal["auto", "A", "B", "C", "D", "E"] = "auto"
    """Mode of IEC 62056-21 to go on in, whatever the identification offers; D: the meter speaks by itself."""

    request_start: str = "/?"
    """What opens the request, before the address: ``/?``, or ``/#`` and others of some makers."""

    lists: str = ""
    """Digits of the lists of registers the meter has besides its readout, asked for with ``/2!`` and so on."""

    request_end: str = "!\r\n"
    """What ends the request, after the address."""

    wake_up: bool = False
    """True: the meter sleeps, and is woken by NULs before the request (IEC 62056-21 annex B.1)."""

    wake_up_octets: int | None = None
    """Number of those NULs; None: as many as 2.2 s hold."""

    quiet_before: float = 0.0
    """Seconds of silence the meter wants before a request."""

    guard: float = 0.0
    """Seconds between what the meter sent and what is sent next; 0.01 to 0.02 for heads and meters that turn slowly."""

    initial_baud: int = 300
    """Speed of the sign-on; another than 300 for meters that never switch."""

    push_baud: int = 2400
    """Speed of a meter that pushes in mode D; 2400 by the standard."""

    parity: Literal["even", "none"] = "even"
    """Characters of the sign-on and the readout: 7E1, or 8N1 where the meter does without parity."""

    baud_characters: tuple[tuple[str, int], ...] = ()
    """Speed characters of an identification that mean something to this maker alone: ``((":", 9600),)``."""

    address_digits: int | None = None
    """The device address is the last so many digits of a longer serial number; None: it is sent as given."""

    inactivity: float | None = None
    """Seconds after which the meter drops an idle session; None: 60 to 120, as the standard says."""

    deviation_sign: Literal[1, -1] = 1
    """1: minutes to add to local time to get UTC (Blue Book 4.1.6.1). -1: the meter sends UTC offset instead."""

    local_deviation: int | None = None
    """Deviation in minutes of the meter's local time, for stamps that carry none; None keeps them local."""

    range_bounds: Literal["octet-string", "date-time"] = "octet-string"
    """Type of the bounds of a range read: ``09 0C``, which nearly all meters take, or tag 19."""

    range_deviation: Literal["concrete", "undefined"] = "concrete"
    """Deviation in those bounds: the zone of the time asked for, or 8000 = the meter's local time."""

    range_columns: bool = True
    """False: the meter refuses selected_values, so whole rows are read and cut here."""

    capture_period_unit: Literal["s", "min"] = "s"
    """Unit of capture_period of a profile; class 7 attribute 4 counts seconds."""

    null_repeats: bool = True
    """True: null-data in a buffer repeats the value above it; False: there was no value."""

    stamp: Literal["end", "start"] = "end"
    """What the time stamp of a text profile (P.01) names: the end of an interval, or its start."""

    status_bits: tuple[tuple[str, int], ...] = ()
    """Bits of the status word of profiles and log books that are the maker's own: ``(("phase L1 down", 8),)``. Bits 0
    to 7 are those of VDEW unless they are named here."""

    profile_command: Literal["R3", "R5", "R6"] = "R5"
    """The command a text profile is asked for with: in one message, or in partial blocks."""

    profile_chunk: int = 1440
    """Minutes of a text profile asked for at once; 0: all of it. After a failure it is asked for in smaller parts."""

    profile_lead: int = 0
    """Minutes a text profile is asked for earlier than wanted, for meters whose answers begin too late."""

    release: Literal["rlrq", "disconnect"] = "rlrq"
    """How an association ends: with a release request, or by disconnecting alone."""

    envelope: Literal["service", "general", "ciphering"] = "service"
    """How APDUs are ciphered: service-specific glo- tags, general-glo-ciphering, or general-ciphering."""

    dedicated_key: bool = False
    """True: agree on a dedicated key in the InitiateRequest and use it after the AARE."""

    allow_plaintext: bool = False
    """True: take unprotected answers in a ciphered association. Whoever is on the line can then answer."""

    hdlc_address_size: Literal[1, 2, 4] | None = None
    """Length of the server address the meter answers to, where its numbers do not tell."""

    hdlc_parameters: bool = True
    """False: the meter refuses SNRM with a parameter field."""

    hdlc_information: int | None = None
    """Octets of information in an HDLC frame at most, either way; None leaves it to the caller and the meter."""

    hdlc_window: int | None = None
    """HDLC frames before an acknowledgement at most, either way; None leaves it to the caller and the meter."""

    get_with_list: bool = True
    """False: the meter offers multiple references and answers them wrongly; read one by one."""

    block_check: Literal["auto", "xor", "add"] = "auto"
    """BCC of IEC 62056-21: XOR of all octets, or their 7-bit sum (one maker). ``auto``: XOR, until in programming mode
    the same message comes twice with a sum that fits and an XOR that does not."""

    password_level: Literal[1, 2] = 1
    """Where the password of programming mode goes: P1, for comparison, or P2, through the secure algorithm."""

    secure_algorithm: str = ""
    """Name of the algorithm for P2 (``metersdk.apdu.secure``); none by the standard."""

    password_operand: bool = True
    """False: the meter says nothing after the acknowledgement of programming mode, neither P0 nor ACK."""

    sign_off: Literal["B0", "B1"] = "B0"
    """How programming mode ends; B1 for meters on battery with the fast wake-up."""

    sessionless: bool = False
    """True: commands go with the request, ``/?address!`` SOH R1 .., at the initial speed, without a sign-on."""

    group_command: str = ""
    """Name of the register that reads several others at once: ``GRPNM(A()B())``; empty: they are read one by one."""

    request_limit: int | None = None
    """Octets of one command message at most; None: as many as it needs."""

    max_baud: int | None = None
    """Where the meter offers more than this, the session stays at 300 Bd: only the offered speed may be taken."""

    reserved_bauds: bool = False
    """True: the speeds 7, 8, 9 of an identification, reserved by the standard, are 38400, 57600 and 115200 Bd."""

    sml_checksum: Literal["auto", "x25", "none"] = "auto"
    """CRC of SML messages: X.25, or Kermit with a finding; ``x25`` refuses the latter, ``none`` does not look."""

    sml_unsigned: Literal["auto", "always", "never"] = "auto"
    """Power over SML that is negative for lack of a leading zero octet, and must be read unsigned; ``auto``: DZG DVS74
    by their serial numbers. A feed-in within the same octets cannot be told from it, so nobody else is meant."""

    sml_scalers: tuple[tuple[str, int], ...] = ()
    """Scalers over SML where the meter sends wrong ones, or none: ``(("1-0:16.7.0", -2),)``."""

    sml_units: tuple[tuple[str, int], ...] = ()
    """Units over SML where the meter sends wrong ones, or none, by their COSEM numbers: ``(("1-0:16.7.0", 27),)``."""

    psem_user: str = ""
    """User name that an ANSI meter wants at Logon, at most 10 characters; empty: any will do."""

    psem_user_id: int | None = None
    """User number that it wants at Logon; None: any will do."""

    psem_padding: Literal["nul", "space", "zero"] = "nul"
    """What fills a password of ANSI C12 up to 20 octets: NUL, the space, or the digit 0."""

    psem_wake_up: bool = False
    """True: the meter is woken by an octet 55 and 50 ms of silence before its first packet (C12.18)."""

    psem_negotiate: bool = True
    """False: the meter does not do Negotiate (C12.18): it stays with one packet of 64 octets, at the first speed."""

    psem_packet_size: int | None = None
    """Octets of a packet of C12.18 that are asked for at most, where the meter promises more than it can."""

    c1219_layouts: str = ""
    """Tables of ANSI C12.19 that this maker fills in its own way: the name of descriptions that come with metersdk
    (``"nes"``), or their TOML."""
