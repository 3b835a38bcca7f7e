"""Where meters and the standard, or two readings of the standard, do not agree: one switch each.

A vendor profile sets them; the defaults are what the standard says, or what most meters do where it is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """Switches for disputed behaviour of one meter family."""

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
    """Whether a profile's time stamp is the end or the start of its interval."""

    compact_array_counts: bool = False
    """True: arrays in a compact-data template carry their count (one stack); False: the buffer does."""

    counter_hint: Literal["last", "next"] = "last"
    """Counter in an ExceptionResponse: the last one the meter saw, or the next one it wants."""

    general_ciphering_header_in_aad: bool = False
    """True: the header of general-ciphering is authenticated too; False: SC and AK only, as two stacks do."""

    signature_covers_length: bool = False
    """True: the signature of general-signing covers the length of the content too."""

    initial_counter_in_gmac: bool = False
    """True: the meter wants GMAC and the ACTION that carries it with one counter. Reuses a nonce: last resort."""

    release: Literal["rlrq", "disconnect"] = "rlrq"
    """How an association ends: with a release request, or by disconnecting alone."""

    release_user_information: bool = True
    """False: the meter stumbles over user-information in the release request of a ciphered association."""

    push_date_time_tag: bool = False
    """True: the date-time of a DataNotification is wrongly preceded by its tag ``09``."""

    hdlc_address_size: Literal[1, 2, 4] | None = None
    """Length of the server address the meter answers to, where its numbers do not tell."""

    hdlc_parameters: bool = True
    """False: the meter refuses SNRM with a parameter field."""

    get_with_list: bool = True
    """False: the meter offers multiple references and answers them wrongly; read one by one."""
