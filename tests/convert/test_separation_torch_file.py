"""Weights from torch files without torch: both layouts are read, anything but tensors is refused."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seehear_convert.separation.torch_file import MAGIC, read_weights


class Global:
    """Pickles as the name of a global of another module."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Pickles as a call."""

    def __init__(self, function: Global, args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args


class Writer(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes what torch.save writes, as far as a state dictionary goes."""

    def persistent_id(self, value: Any) -> Any:
        return value[1] if isinstance(value, tuple) and value and value[0] == "persistent" else None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, Global):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.args)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def dumps(value: Any) -> bytes:
    file = io.BytesIO()
    Writer(file, 2).dump(value)
    return file.getvalue()


def tensor(
    key: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, count: int = 6
) -> Call:
    storage = ("persistent", ("storage", Global("torch", "FloatStorage"), key, "cpu", count))
    return Call(
        Global("torch._utils", "_rebuild_tensor_v2"), (storage, offset, shape, strides, False, OrderedDict())
    )


VALUES = np.arange(6, dtype="<f4")


def legacy(table: Any, key: str = "7", data: bytes = VALUES.tobytes()) -> bytes:
    parts = [dumps(MAGIC), dumps(1001), dumps({"little_endian": True}), dumps(table), dumps([key])]
    return b"".join(parts) + struct.pack("<q", 6) + data


def test_both_layouts_give_the_tensors_with_their_strides(tmp_path: Path) -> None:
    table = OrderedDict(a=tensor("7", (2, 3), (3, 1)), b=tensor("7", (3, 2), (1, 3)))
    (tmp_path / "old.pth").write_bytes(legacy(table))
    with zipfile.ZipFile(tmp_path / "new.pth", "w") as archive:
        archive.writestr("archive/data.pkl", dumps(table))
        archive.writestr("archive/data/7", VALUES.tobytes())
    for name in ("old.pth", "new.pth"):
        weights = read_weights(tmp_path / name)
        assert np.array_equal(weights["a"], VALUES.reshape(2, 3))
        assert np.array_equal(weights["b"], VALUES.reshape(2, 3).T)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (Call(Global("os", "system"), ("true",)), "os.system"),
        (Call(Global("builtins", "eval"), ("1",)), "builtins.eval"),
        (OrderedDict(a=tensor("7", (2, 4), (4, 1))), "beyond its storage"),
        (OrderedDict(a=tensor("7", (2, 3), (3, 1), offset=-1)), "beyond its storage"),
        ([1, 2], "no dictionary"),
    ],
)
def test_what_is_no_table_of_tensors_is_refused_in_a_sentence(tmp_path: Path, table: Any, said: str) -> None:
    (tmp_path / "bad.pth").write_bytes(legacy(table))
    with pytest.raises(ValueError, match=said):
        read_weights(tmp_path / "bad.pth")


def test_truncated_garbled_and_exchanged_files_are_refused(tmp_path: Path) -> None:
    good = legacy(OrderedDict(a=tensor("7", (2, 3), (3, 1))))
    file = tmp_path / "x.pth"
    for n in range(0, len(good) - 1, 7):
        file.write_bytes(good[:n])
        with pytest.raises(ValueError, match=r"x\.pth"):
            read_weights(file)
    rng = np.random.default_rng(0)
    for _ in range(200):
        bad = bytearray(good)
        bad[rng.integers(len(bad))] = rng.integers(256)
        file.write_bytes(bytes(bad))
        try:
            read_weights(file)
        except ValueError as error:
            assert "x.pth" in str(error)
    file.write_bytes(good)
    with pytest.raises(ValueError, match="fetch it again"):
        read_weights(file, "00000000")
