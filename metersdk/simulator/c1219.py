"""A simulated meter of ANSI C12.19: the tables of an image behind ``TableDevice``, for C12.18 and C12.22 alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Protocol

from metersdk.apdu.c1222 import SecurityMode
from metersdk.apdu.c1222_titles import ApTitle
from metersdk.apdu.keys import LAST_COUNTER, RisingCounter, Secret
from metersdk.apdu.psem import Feature, Identification, Response, TimingSetup
from metersdk.apdu.psem_security import ALGORITHM_AES, ALGORITHM_DES, BLOCK_SIZE, new_ticket, same_password
from metersdk.dialog.c1218_link import C1218Settings
from metersdk.dialog.c1222_meter import C1222Meter
from metersdk.dialog.psem import Access
from metersdk.dialog.psem_meter import PsemRefusal, PsemRules
from metersdk.model.c1219.configuration import MANUFACTURER, PENDING, Configuration
from metersdk.model.c1219.load_profile import LoadProfileLayout
from metersdk.model.c1219.load_profile_encode import encode_block
from metersdk.model.c1219.load_profile_tables import layout_of, state_of
from metersdk.model.c1219.registry import TableSet, encode_table, model_for, needs, places
from metersdk.model.c1219.security_tables import SECRET_TABLES
from metersdk.model.c1219.table import C1219Table
from metersdk.simulator import c1219_procedures as procedures
from metersdk.simulator.c1219_numbers import Meter, Numbers
from metersdk.simulator.c1219_procedures import Procedure, ProcedureDesk
from metersdk.simulator.c1219_profile import POWER_FAILED, LoadProfile
from metersdk.simulator.c1219_registers import SELF_READS
from metersdk.simulator.c1219_spec import NUMBER_FORMATS, C1219Spec
from metersdk.simulator.c1219_state import State
from metersdk.simulator.c1219_tables import EVENT_LOG, HISTORY_LOG, builders, log_schedule

GENERAL, INITIATE, RESPONSE = 0, 7, 8
FIRST_DATA = 64
# Of an interval: the simple status says that it is not valid.
_NOT_VALID = 0x80
_DAY = 86400
_ACCESS = {"full": Access.FULL, "offset": Access.OFFSET, "index": Access.INDEX, "both": Access.BOTH}
_INT_FORMATS = {"twos": 0, "ones": 1, "sign": 2}
_LISTS = {
    procedures.EVENT_LOG: EVENT_LOG,
    procedures.SELF_READS: SELF_READS,
    procedures.HISTORY_LOG: HISTORY_LOG,
    **dict(zip(procedures.PROFILE_SETS, range(FIRST_DATA, FIRST_DATA + 4), strict=True)),
}


class Device(Meter, Protocol):
    """What the meter of an image can do, whatever it speaks."""

    def seconds(self) -> int:
        """Its time, UTC seconds."""

    def set_clock(self, moment: datetime) -> None:
        """Its time is now ``moment``."""


class C1219Meter:
    """The tables of ``spec`` with the clock and the numbers of ``device``.

    Attributes:
        spec: as the image has it.
        configuration: table 0.
        state: what was done to it.

    Raises:
        LocalProtocolError: the image does not fit the tables: an identifier too long, a number that the format has no
            room for.
    """

    def __init__(self, spec: C1219Spec, device: Device, serial: str) -> None:
        self.spec = spec
        self.state = State(spec, device, Numbers(spec, device), serial)
        self._device = device
        self._builders = builders(self.state)
        self._makers = {MANUFACTURER + each.number: each for each in spec.table}
        self._still: dict[int, C1219Table] = {}
        self._written: dict[int, bytes] = {}
        self._blocks: dict[tuple[int, int], bytes] = {}
        self._layouts: dict[int, LoadProfileLayout] = {}
        self._stopped_at: int | None = None
        self.configuration = self._configure()
        self._still[GENERAL] = self.configuration
        self._desk = ProcedureDesk(self, self.configuration.formats, frozenset(map(int, Procedure)), self.spec.slow)
        if spec.visited is not None:
            self._visited(device.seconds() - spec.visited * _DAY)
        # What does not fit is told now; of a load profile one block is enough.
        for number in {*self.configuration.table_numbers} - {RESPONSE, *range(FIRST_DATA, FIRST_DATA + 4)}:
            self.octets(number)
        now = device.seconds()
        for profile in self.state.profiles.values():
            if (at := profile.state(now)).sequence:
                self._block(profile, self._layout(profile), at.sequence - 1, now)

    # --- TableDevice ---

    @property
    def access(self) -> Access:
        """DATA_ACCESS of table 0."""
        return _ACCESS[self.spec.data_access]

    def identification(self) -> Identification:
        """With a ticket where the image has a key: DES for one of 8 octets, AES for 16."""
        link = self.spec.link
        features = []
        if self.spec.key:
            size = len(self.spec.key[0].key)
            algorithm = ALGORITHM_DES if size == BLOCK_SIZE[ALGORITHM_DES] else ALGORITHM_AES
            ticket = new_ticket(algorithm)
            octets = bytes((ticket.kind, ticket.algorithm, len(ticket.ticket))) + ticket.ticket
            features.append(Feature(2, octets))
        return Identification(link.standard, link.version, link.revision, tuple(features), link.trailing)

    def logon(self, user_id: int, user: bytes) -> None:
        """Anybody may log on."""

    def security(self, password: Secret) -> int:
        """The level of a password, whatever it is filled up with."""
        for each in self.spec.password:
            if same_password(each.password, password):
                return each.level
        raise PsemRefusal(Response.ERR)

    def key(self, key_id: int) -> tuple[Secret, int] | None:
        """A key of C12.21, and its level."""
        return next(((each.key, each.level) for each in self.spec.key if each.id == key_id), None)

    def read(self, table: int, level: int) -> bytes:
        """A whole table as it is now."""
        self._check_reading(table, level)
        return self.octets(table)

    def read_elements(self, table: int, index: tuple[int, ...], count: int, level: int) -> bytes:
        """``count`` fields from the first index on, or elements of an array with two; of load profiles: blocks."""
        octets = self.read(table, level)
        start, stop = self._span(table, index, count, octets)
        return octets[start:stop]

    def read_default(self, level: int) -> bytes:
        """Table 1, which every meter has."""
        return self.read(1, level)

    def write(self, table: int, offset: int | None, data: bytes, level: int) -> None:
        """Table 7 starts a procedure; others keep what is written, if the image lets them."""
        if table == INITIATE and offset is None:
            if level < self.spec.read_level:
                raise PsemRefusal(Response.ISC)
            try:
                self._desk.initiate(data, allowed=level >= self.spec.write_level)
            except ValueError:
                raise PsemRefusal(Response.IAR) from None
            return
        if not self.configuration.has_table(table):
            raise PsemRefusal(Response.ONP)
        if table not in self.spec.writable:
            raise PsemRefusal(Response.ONP)
        if level < self.spec.write_level:
            raise PsemRefusal(Response.ISC)
        octets = self.octets(table)
        start = offset or 0
        if start + len(data) > len(octets) or (offset is None and len(data) != len(octets)):
            raise PsemRefusal(Response.IAR)
        self._written[table] = octets[:start] + data + octets[start + len(data) :]

    def write_elements(self, table: int, index: tuple[int, ...], data: bytes, level: int) -> None:
        """Elements from the one that the indices name."""
        if not self.configuration.has_table(table):
            raise PsemRefusal(Response.ONP)
        start, _ = self._span(table, index, 1, self.octets(table))
        self.write(table, start, data, level)

    def ended(self) -> None:
        """Nothing is kept of a session."""

    # --- what it is on a line ---

    @property
    def rules(self) -> PsemRules:
        """What it agrees to."""
        link = self.spec.link
        timing = TimingSetup(30, 5, 10, 5) if link.timing_setup else None
        return PsemRules(link.packet_size, link.packets, link.bauds, timing, negotiates=link.negotiates)

    @property
    def settings(self) -> C1218Settings:
        """How a session begins."""
        link = self.spec.link
        return C1218Settings(
            baud=link.baud, identity=link.identity, traffic_timeout=link.traffic_timeout, retries=link.retries
        )

    @cached_property
    def node(self) -> C1222Meter:
        """The same in a network. One for all connections: none of them believes a request twice."""
        spec = self.spec.node
        keys = {each.id: each.key for each in self.spec.key if len(each.key) == BLOCK_SIZE[ALGORITHM_AES]}
        return C1222Meter(
            title=ApTitle.parse(spec.title) if spec.title else None,
            keys=keys,
            security=SecurityMode[spec.security.upper()],
            # UTC seconds, as the standard has it: no vector comes again when the simulator is started anew.
            vectors=RisingCounter(self._device.seconds() & LAST_COUNTER),
            max_message=spec.max_message,
        )

    # --- what procedures do ---

    def shown(self) -> datetime:
        """What its clock shows."""
        return self.state.shown(self._device.seconds())

    def show(self, moment: datetime) -> None:
        """Set the clock."""
        self._device.set_clock(self.state.meant(moment))

    def demand_reset(self) -> None:
        """The demands begin anew."""
        self.state.resets.append(self._device.seconds())

    def self_read(self) -> None:
        """The registers are kept as they are."""
        self.state.self_reads.append(self._device.seconds())

    def clear_data(self) -> None:
        """Profiles, logs and what was kept are forgotten; registers go on."""
        now = self._device.seconds()
        self.state.cleared = now
        self.state.read.clear()
        self._blocks.clear()
        for profile in self.state.profiles.values():
            profile.clear(now)

    def mark_read(self, code: int, entries: int | None) -> bool:
        """Entries of a list count as read; False: there is no such list."""
        tables = [table for table in _LISTS.values() if self.configuration.has_table(table)]
        if code != procedures.ALL_LISTS:
            tables = [table for table in tables if _LISTS.get(code) == table]
        for table in tables:
            self._mark(table, entries)
        return bool(tables)

    def change_mode(self, mode: int) -> None:
        """Of table 3."""
        self.state.mode = mode

    def record(self, running: bool) -> None:
        """Stop load profiles, or let them go on."""
        self.state.recording = running
        self._stopped_at = None if running else self._device.seconds()

    def _mark(self, table: int, entries: int | None) -> None:
        now = self._device.seconds()
        if table >= FIRST_DATA and table - FIRST_DATA + 1 in self.state.profiles and table < FIRST_DATA + 4:
            profile = self.state.profiles[table - FIRST_DATA + 1]
            at = profile.state(now)
            unread = 0 if entries is None else max(at.unread - entries, 0)
            profile.read_until = at.sequence - unread
            return
        fields = self._builders[table](now)
        unread = 0 if entries is None else max(int(fields["nbr_unread_entries"]) - entries, 0)
        last = int(fields["last_entry_seq_nbr" if table == SELF_READS else "last_entry_seq_num"])
        self.state.read[table] = last - unread

    def _visited(self, at: int) -> None:
        """All lists were marked as read then."""
        logs = self.spec.logs
        for table, log in ((HISTORY_LOG, logs and logs.history), (EVENT_LOG, logs and logs.event)):
            if log:
                self.state.read[table] = log_schedule(self.state, log).count(at)
        self.state.read[SELF_READS] = len(self.state.self_read_times(at))
        for profile in self.state.profiles.values():
            profile.read_until = profile.state(at).sequence

    # --- tables ---

    def octets(self, number: int) -> bytes:
        """A table as it is now, whoever asks.

        Raises:
            PsemRefusal: there is none, or it cannot be read now.
            LocalProtocolError: the image does not fit it.
        """
        # Nothing is pending (table 4).
        if not self.configuration.has_table(number) or number >= PENDING:
            raise PsemRefusal(Response.ONP)
        if number in self._written:
            return self._written[number]
        now = self._device.seconds()
        if number == GENERAL:
            return self.configuration.encode()
        if number == INITIATE:
            return bytes(3)
        if number == RESPONSE:
            answer = self._desk.response()
            if answer is None:
                raise PsemRefusal(Response.ONP)
            return answer
        if number in self._makers:
            return self._of_maker(number, now)
        if number - FIRST_DATA + 1 in self.state.profiles:
            return self._profile(self.state.profiles[number - FIRST_DATA + 1], now)
        return encode_table(self._builders[number](now), self._known(number), number)

    def _check_reading(self, table: int, level: int) -> None:
        if table in SECRET_TABLES and (self.spec.secret_level is None or level < self.spec.secret_level):
            raise PsemRefusal(Response.ISC if self.configuration.has_table(table) else Response.ONP)
        if level < self.spec.read_level and table not in self.spec.public:
            raise PsemRefusal(Response.ISC)

    def _configure(self) -> Configuration:
        spec = self.spec
        sets = {FIRST_DATA + number - 1 for number in self.state.profiles}
        used = ({GENERAL, INITIATE, RESPONSE} | sets | set(self._builders)) - set(spec.without)
        makers = {each.number for each in spec.table}
        return Configuration.build(
            order=spec.byte_order,
            char_format=1,
            tm_format=spec.time_format,
            data_access=int(self.access),
            id_form=int(spec.id_form == "bcd"),
            int_format=_INT_FORMATS[spec.integer_format],
            ni_format1=NUMBER_FORMATS[spec.ni1],
            ni_format2=NUMBER_FORMATS[spec.ni2],
            std_tables=used,
            mfg_tables=makers,
            std_procedures=frozenset(map(int, Procedure)),
            std_writable={INITIATE, *(number for number in spec.writable if number in used)},
            std_version_no=spec.standard_version,
            dim_mfg_status_used=spec.status_octets,
            device_class=spec.manufacturer.encode("ascii").ljust(4),
        )

    def _known(self, number: int) -> Mapping[int, C1219Table]:
        """The tables that this one needs: they stand still."""
        for each in needs(number):
            if each not in self._still:
                model = model_for(each)
                assert model is not None
                self._still[each] = model.model_validate(self._builders[each](0))
        return self._still

    def _of_maker(self, number: int, now: int) -> bytes:
        table = self._makers[number]
        numbers = [self._device.source(code).values(self._device, [now])[0] for code in table.objects]
        moving = b"".join((each & 0xFFFFFFFF).to_bytes(4, self.configuration.order) for each in numbers)
        return bytes.fromhex(table.octets) + moving

    def _span(self, table: int, index: tuple[int, ...], count: int, octets: bytes) -> tuple[int, int]:
        """From where to where the elements reach."""
        if table - FIRST_DATA + 1 in self.state.profiles:
            sizes = [len(octets) // self.state.profiles[table - FIRST_DATA + 1].spec.blocks]
            fields = [(0, len(octets))]
        else:
            fields = list(places(table, self._known(table)).values()) if model_for(table) is not None else []
            sizes = []
        if not index or index[0] >= len(fields) or not count or len(index) > 2:
            raise PsemRefusal(Response.IAR)
        start, size = fields[index[0]]
        if len(index) == 1:
            if index[0] + count > len(fields):
                raise PsemRefusal(Response.IAR)
            last = fields[index[0] + count - 1]
            return start, last[0] + last[1]
        item = sizes[0] if sizes else self._item(table, index[0], size)
        if (index[1] + count) * item > size:
            raise PsemRefusal(Response.IAR)
        return start + index[1] * item, start + (index[1] + count) * item

    def _item(self, table: int, field: int, size: int) -> int:
        """Octets of one element of an array."""
        fields = self._builders[table](self._device.seconds()) if table in self._builders else {}
        name = list(places(table, self._known(table)))[field]
        array = fields.get(name)
        if not isinstance(array, tuple) or not array:
            raise PsemRefusal(Response.IAR)
        return size // len(array)

    # --- load profiles ---

    def _profile(self, profile: LoadProfile, now: int) -> bytes:
        """Table 64 to 67; a block that is full is made once."""
        if self._stopped_at is not None:
            now = min(now, self._stopped_at)
        layout, spec = self._layout(profile), profile.spec
        newest = profile.state(now).sequence - 1
        if len(self._blocks) > 8 * spec.blocks:
            self._blocks.clear()
        made = []
        for number in profile.places(now):
            if number is None:
                made.append(bytes(layout.block.size))
                continue
            key = (spec.set, number)
            if number == newest:
                # It is not full yet: tomorrow it is another one.
                made.append(self._block(profile, layout, number, now))
                continue
            if key not in self._blocks:
                self._blocks[key] = self._block(profile, layout, number, now)
            made.append(self._blocks[key])
        return b"".join(made)

    def _layout(self, profile: LoadProfile) -> LoadProfileLayout:
        """How blocks are written, as tables 0 and 61 to 63 say."""
        number = profile.spec.set
        if number not in self._layouts:
            tables = TableSet({each: self.octets(each) for each in (GENERAL, 61, 62, 63)})
            self._layouts[number] = layout_of(tables, number).ordered(state_of(tables, number))
        return self._layouts[number]

    def _block(self, profile: LoadProfile, layout: LoadProfileLayout, number: int, now: int) -> bytes:
        block = profile.block(number, now)
        return encode_block(
            layout.block,
            self.state.shown(block.end),
            block.values,
            flags=[
                each | _NOT_VALID * bool(each & POWER_FAILED and layout.block.simple_status) for each in block.common
            ],
            codes=tuple(zip(*block.codes, strict=True)),
            readings=block.readings,
            pulses=block.pulses,
        )
