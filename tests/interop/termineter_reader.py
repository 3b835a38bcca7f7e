"""Reads a meter with termineter's C12.18 library, for the tests: run by the interpreter of its own environment.

``termineter_reader.py PORT PASSWORD STEP...`` prints one JSON object, a key for each step. A step is ``read:23``,
``read:64:0:100`` (offset, octets), ``write:5:HEX``, ``procedure:9:HEX`` or the name of one of its table decoders:
``general``, ``log``, ``display``, ``security``. What it raises stands there as ``{"error": ..}``.
"""

from __future__ import annotations

import json
import sys

from c1218.connection import Connection
from c1219.access.general import C1219GeneralAccess
from c1219.access.local_display import C1219LocalDisplayAccess
from c1219.access.log import C1219LogAccess
from c1219.access.security import C1219SecurityAccess

SERIAL = {
    "parity": "N",
    "baudrate": 9600,
    "bytesize": 8,
    "xonxoff": False,
    "interCharTimeout": None,
    "rtscts": False,
    "timeout": 2,
    "stopbits": 1,
    "dsrdtr": False,
    "writeTimeout": None,
}
DECODERS = {
    "general": C1219GeneralAccess,
    "log": C1219LogAccess,
    "display": C1219LocalDisplayAccess,
    "security": C1219SecurityAccess,
}


def plain(value):
    """Anything as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def public(decoded):
    """The properties of a decoder."""
    names = [name for name, kind in vars(type(decoded)).items() if isinstance(kind, property)]
    return plain({name: getattr(decoded, name) for name in names} | vars(decoded) | {"conn": None})


def carry_out(connection, step):
    kind, *words = step.split(":")
    if kind == "read":
        number, *part = map(int, words)
        offset, count = part or (None, None)
        return connection.get_table_data(number, count, offset).hex()
    if kind == "write":
        connection.set_table_data(int(words[0]), bytes.fromhex(words[1]))
        return "written"
    if kind == "procedure":
        parameters = bytes.fromhex(words[1]) if len(words) > 1 else b""
        result, data = connection.run_procedure(int(words[0]), False, parameters)
        return {"result": result, "data": data.hex()}
    return public(DECODERS[kind](connection))


def main(port, password, *steps):
    connection = Connection(port, {"pktsize": 512, "nbrpkts": 16}, SERIAL)
    # What it read before is not asked for again, and would hide what the line does.
    connection.set_table_cache_policy(False)
    told = {"start": connection.start(), "login": connection.login("termineter", 2, password)}
    for number, step in enumerate(steps):
        try:
            told[f"{number} {step}"] = carry_out(connection, step)
        except Exception as error:
            told[f"{number} {step}"] = {"error": f"{type(error).__name__}: {error}"}
    try:
        connection.close()
    except Exception as error:
        told["close"] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(told))


main(*sys.argv[1:])
