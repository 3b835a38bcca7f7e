"""Which model describes which COSEM class, and the names of the classes that have none."""

from __future__ import annotations

from metersdk.model.cosem.access import AssociationLN, SapAssignment, SecuritySetup
from metersdk.model.cosem.base import CosemObject
from metersdk.model.cosem.measurement import DataObject, DemandRegister, ExtendedRegister, ProfileGeneric, Register
from metersdk.model.cosem.setup import DisconnectControl, IecHdlcSetup, IecLocalPortSetup, TcpUdpSetup
from metersdk.model.cosem.timing import Clock
from metersdk.model.obis import Obis

# class -> (model, last version its table describes)
_MODELS: dict[int, tuple[type[CosemObject], int]] = {
    1: (DataObject, 0),
    3: (Register, 0),
    4: (ExtendedRegister, 0),
    5: (DemandRegister, 0),
    7: (ProfileGeneric, 1),
    8: (Clock, 0),
    15: (AssociationLN, 3),
    17: (SapAssignment, 0),
    19: (IecLocalPortSetup, 1),
    23: (IecHdlcSetup, 1),
    41: (TcpUdpSetup, 0),
    64: (SecuritySetup, 1),
    70: (DisconnectControl, 0),
}

CLASS_NAMES: dict[int, str] = {
    6: "Register activation",
    9: "Script table",
    10: "Schedule",
    11: "Special days table",
    12: "Association SN",
    18: "Image transfer",
    20: "Activity calendar",
    21: "Register monitor",
    22: "Single action schedule",
    24: "IEC twisted pair setup",
    25: "M-Bus slave port setup",
    26: "Utility tables",
    27: "Modem configuration",
    28: "Auto answer",
    29: "Auto connect",
    30: "Data protection",
    40: "Push setup",
    42: "IPv4 setup",
    43: "MAC address setup",
    44: "PPP setup",
    45: "GPRS modem setup",
    46: "SMTP setup",
    47: "GSM diagnostic",
    48: "IPv6 setup",
    61: "Register table",
    62: "Compact data",
    63: "Status mapping",
    65: "Parameter monitor",
    67: "Sensor manager",
    68: "Arbitrator",
    71: "Limiter",
    72: "M-Bus client",
    74: "M-Bus master port setup",
    111: "Account",
    112: "Credit",
    113: "Charge",
    115: "Token gateway",
    122: "Function control",
    123: "Array manager",
    124: "Communication port protection",
    151: "LTE monitoring",
}


def model_for(class_id: int, version: int = 0) -> type[CosemObject]:
    """The model of a class and version: :class:`CosemObject` itself where metersdk has no table for it."""
    model, last = _MODELS.get(class_id, (CosemObject, 0))
    return model if version <= last else CosemObject


def class_name(class_id: int) -> str:
    """The Blue Book's name of a class, ``"class 9000"`` where unknown."""
    if class_id in _MODELS:
        return _MODELS[class_id][0].CLASS_NAME
    return CLASS_NAMES.get(class_id, f"class {class_id}")


def make_object(class_id: int, version: int, logical_name: Obis | str | bytes) -> CosemObject:
    """An object of the class without any values yet."""
    return model_for(class_id, version)(class_id=class_id, version=version, logical_name=Obis.parse(logical_name))
