"""Hostile pickles: calls, attributes and persistent ids, in every form that pickles know."""

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

from tests.engine.gadgets import EVAL, MADE, PROGRAM

__all__ = [
    "BROKEN",
    "CALLS",
    "FORMS",
    "HARMLESS",
    "archive",
    "call",
    "legacy",
    "tarred",
    "text",
    "whole",
]

MAGIC = 0x1950A86A20F9469CFC6C


def text(value: str) -> bytes:
    """Return the opcodes of a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def call(name: str, *arguments: bytes) -> bytes:
    """Return the opcodes that look a name up and call what it stands for."""
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n(".encode() + b"".join(arguments) + b"tR"


def whole(body: bytes, protocol: int = 2) -> bytes:
    """Return a pickle of a dict with one entry."""
    return bytes((0x80, protocol)) + b"}" + text("gadget") + body + b"s."


def archive(data: bytes, **more: bytes) -> bytes:
    """Return a file of torch.save around a pickle."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("archive/data.pkl", data)
        for name, content in {"version": b"3\n", "byteorder": b"little", **more}.items():
            made.writestr(f"archive/{name}", content)
    return packed.getvalue()


def legacy(data: bytes, storages: bytes = b"") -> bytes:
    """Return a file of torch.save before 1.6 around a pickle."""
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, machine))
    return head + data + (storages or pickle.dumps([], 2))


def _to_mkdir(*names: str) -> dict[str, bytes]:
    return {name: call(name, text(MADE)) for name in names}


def _to_shell(*names: str) -> dict[str, bytes]:
    return {name: call(name, text(f"mkdir {MADE}")) for name in names}


def _to_program(*names: str) -> dict[str, bytes]:
    return {name: call(name, b"]", text("mkdir"), b"a", text(MADE), b"a") for name in names}


NESTED = pickle.dumps({"a": 1}, 2)
# Names that a pickle may look up and call; each would leave a folder, connect, or read a file.
CALLS: dict[str, bytes] = {
    **_to_mkdir("os.mkdir", "posix.mkdir", "os.makedirs", "tempfile.mkdtemp", "shutil.rmtree"),
    **_to_mkdir("mmengine.utils.path.mkdir_or_exist", "torch.load", "torch.jit.load", "numpy.load"),
    **_to_mkdir("runpy.run_path", "runpy.run_module", "importlib.import_module", "ctypes.CDLL"),
    **_to_mkdir(
        "builtins.__import__", "__builtin__.__import__", "pydoc.locate", "logging.FileHandler"
    ),
    **_to_mkdir("mmengine.config.config.Config.fromfile", "webbrowser.open", "linecache.getlines"),
    **_to_shell("os.system", "posix.system", "nt.system", "os.popen", "subprocess.getoutput"),
    **_to_shell("commands.getoutput", "pty.spawn", "platform.popen", "bdb.Bdb.run"),
    **_to_program("subprocess.Popen", "subprocess.call", "subprocess.check_output", "os.execvp"),
    **{name: call(name, text(EVAL)) for name in ("builtins.eval", "__builtin__.eval")},
    **{
        name: call(name, text(PROGRAM))
        for name in ("builtins.exec", "timeit.timeit", "cProfile.run")
    },
    **{name: call(name, text(EVAL)) for name in ("numexpr.evaluate", "doctest.debug_script")},
    "builtins.open": call("builtins.open", text(MADE), text("w")),
    "io.open": call("io.open", text(MADE), text("w")),
    "pickle.loads": call("pickle.loads", b"B" + struct.pack("<I", len(NESTED)) + NESTED),
    "torch.storage._load_from_bytes": call(
        "torch.storage._load_from_bytes", b"B" + struct.pack("<I", len(NESTED)) + NESTED
    ),
    "functools.partial": call("functools.partial", b"cos\nmkdir\n", text(MADE)),
    "operator.methodcaller": call("operator.methodcaller", text("mkdir"), text(MADE)),
    "operator.attrgetter": call("operator.attrgetter", text("__class__.__base__")),
    "builtins.map": call("builtins.map", b"cos\nmkdir\n", b"]", text(MADE), b"a"),
    "socket.create_connection": call(
        "socket.create_connection", text("127.0.0.1"), b"K\x09", b"\x86"
    ),
    "urllib.request.urlopen": call("urllib.request.urlopen", text("http://127.0.0.1:9/")),
    "torch.hub.load_state_dict_from_url": call(
        "torch.hub.load_state_dict_from_url", text("http://127.0.0.1:9/x.pth")
    ),
    "mmengine.registry.build_functions.build_from_cfg": call(
        "mmengine.registry.build_functions.build_from_cfg", b"}", b"N"
    ),
    "bag_of_transfer.engine.atomic.write_text": call(
        "bag_of_transfer.engine.atomic.write_text", text(MADE), text("x")
    ),
    "tests.engine.imported_by_a_gadget.anything": call(
        "tests.engine.imported_by_a_gadget.anything"
    ),
    "getattr_of_a_stand_in": call(
        "builtins.getattr", b"ccollections\nOrderedDict\n", text("__subclasses__")
    ),
    "decode_with_any_codec": call("_codecs.decode", text("x"), text("zip")),
}

# Forms of a call other than a name and REDUCE.
FORMS: dict[str, bytes] = {
    "a_codec": call("_codecs.encode", text("x"), text("zip")),
    "inst": b"(" + text(MADE) + b"ios\nmkdir\n",
    "obj": b"(cos\nmkdir\n" + text(MADE) + b"o",
    "newobj": b"csubprocess\nPopen\n(]" + text("mkdir") + b"a" + text(MADE) + b"at\x81",
    "newobj_ex": b"csubprocess\nPopen\n(]" + text("mkdir") + b"at}\x92",
    "stack_global": text("os") + text("mkdir") + b"\x93(" + text(MADE) + b"tR",
    "dotted_name": text("pathlib") + text("Path.mkdir") + b"\x93(" + text(MADE) + b"tR",
    "extension_number": b"\x82\x01(" + text(MADE) + b"tR",
    "persistent_text": b"Pos.mkdir\n",
    "persistent_call": b"("
    + text("storage")
    + b"cos\nmkdir\n"
    + text("0")
    + text("cpu")
    + b"K\x01tQ",
    "persistent_path": (
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text("../../../etc/passwd")
        + text("cpu")
        + b"K\x01tQ"
    ),
    "build_on_a_class": b"ccollections\nOrderedDict\n}" + text("__setitem__") + b"cos\nmkdir\nsb",
    "build_slots": b"ccollections\nOrderedDict\n)RN}" + text("__class__") + b"cos\nmkdir\ns\x86b",
    "called_later": b"ccollections\ndefaultdict\n(cos\nmkdir\ntR",
    "a_class_in_place": b"cos\n_Environ\n",
    "hidden_in_an_array": call(
        "numpy._core.multiarray._reconstruct", b"cos\nmkdir\n", b"K\x00\x85", b"C\x01b"
    ),
}

# A tuple that holds the same tuple twice, and so on: 60 short lines, and 2**60 numbers to hash.
DOUBLED = b"K\x01\x85q\x00" + b"".join(
    b"0" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(60)
)
# Pickles that are broken, or far larger in memory than in the file.
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "only_a_stop": b"\x80\x02.",
    "no_stop": b"\x80\x02}",
    "a_text_of_four_gigabytes": b"\x80\x02X\xff\xff\xff\xff",
    "bytes_of_exabytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
    "a_negative_long": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "a_memo_beyond_memory": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "an_unknown_memo": b"\x80\x02h\x07.",
    "an_empty_stack": b"\x80\x02R.",
    "a_frame_that_lies": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"}.",
    "nested_5000_times": b"\x80\x02"
    + b"}"
    + text("gadget")
    + b"]" * 5_000
    + b"a" * (5_000 - 1)
    + b"s.",
    "a_number_of_a_million_digits": whole(b"L" + b"9" * 10**6 + b"L\n"),
    "a_list_of_itself_as_a_key": b"\x80\x02}]q\x00h\x00ah\x00s.",
    "a_key_of_doubled_tuples": b"\x80\x02}" + DOUBLED + b"K\x01s.",
    "a_key_of_tuples_of_itself": b"\x80\x02}K\x01\x85" + b"2\x86" * 60 + b"K\x01s.",
    "a_set_of_doubled_tuples": b"\x80\x02}"
    + text("g")
    + call("builtins.set", b"]" + DOUBLED + b"a")
    + b"s.",
    "a_fraction_of_a_billion_digits": whole(call("fractions.Fraction", text("1e999999999"))),
    "a_range_of_exabytes": whole(
        call("builtins.set", call("builtins.range", b"\x8a\x08" + struct.pack("<q", 2**60)))
    ),
    "an_array_of_exabytes": whole(
        call(
            "numpy._core.numeric._frombuffer",
            *(
                b"C\x01x",
                call("numpy.dtype", text("u1")),
                b"\x8a\x08" + struct.pack("<q", 2**60) + b"\x85",
            ),
            text("C"),
        )
    ),
    "an_array_of_no_bytes": whole(
        call(
            "numpy._core.numeric._frombuffer",
            *(
                b"C\x00",
                call("numpy.dtype", text("S0")),
                b"\x8a\x08" + struct.pack("<q", 2**60) + b"\x85",
            ),
            text("C"),
        )
    ),
    "a_tensor_of_gigabytes": whole(
        call("torch.FloatTensor", b"\x8a\x05" + struct.pack("<Q", 2**33)[:5])
    ),
    "a_storage_of_gigabytes": whole(
        call("torch.storage.UntypedStorage", b"\x8a\x05" + struct.pack("<Q", 2**33)[:5])
    ),
    "bytes_made_of_a_number": whole(
        call("builtins.bytes", b"\x8a\x05" + struct.pack("<Q", 2**33)[:5])
    ),
    "a_bytearray_of_gigabytes": whole(call("builtins.bytearray", b"J" + struct.pack("<i", 2**29))),
}
# These cannot harm, and torch reads them.
HARMLESS: dict[str, bytes] = {
    "a_decimal_of_a_billion_digits": whole(
        call("decimal.Decimal", text("9" * 20000 + "e999999999"))
    ),
    "a_later_protocol": whole(b"N", 99),
}


def tarred(path: Path) -> None:
    """Write a file as torch.save did before 0.1.10."""
    with tarfile.open(path, "w") as made:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            data = whole(call("os.mkdir", text(MADE)))
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
