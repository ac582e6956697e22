"""Weights out of a torch file without torch, by an unpickler that builds tensors and nothing else.

Two layouts: the legacy one (magic number, protocol, system, then the pickled dictionary, the storages' keys and their raw
bytes) and the zip one of torch 1.6 and later (``data.pkl`` and ``data/<key>``). Any global that does not describe a tensor is
refused.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
}
MAX_VALUES = 1 << 28


@dataclass(frozen=True)
class _Tensor:
    """A tensor as the pickle describes it: where it lies in which storage."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _StorageType:
    dtype: np.dtype[Any]


def _rebuild_tensor(
    storage: tuple[str, np.dtype[Any]], offset: int, shape: Any, strides: Any, *_: Any
) -> _Tensor:
    return _Tensor(storage[0], storage[1], int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _rebuild_parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


class _Unpickler(pickle.Unpickler):
    """Knows the four names a state dictionary needs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if module == "torch" and name in STORAGES:
            return _StorageType(STORAGES[name])
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no table of weights needs")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        kind, storage, key = pid[:3]
        if kind != "storage" or not isinstance(storage, _StorageType):
            raise pickle.UnpicklingError(f"it refers to {kind!r}, expected a storage")
        return str(key), storage.dtype


def _table(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise pickle.UnpicklingError("its content is no dictionary")
    return value


def _legacy(file: BinaryIO) -> tuple[Any, dict[str, bytes]]:
    """The dictionary and the raw bytes of every storage, from a legacy file."""
    if _Unpickler(file).load() != MAGIC:
        raise pickle.UnpicklingError("it does not begin with torch's magic number")
    _Unpickler(file).load()  # protocol
    _Unpickler(file).load()  # sizes of C types
    table = _table(_Unpickler(file).load())
    keys = _Unpickler(file).load()
    dtypes = {t.key: t.dtype for t in table.values() if isinstance(t, _Tensor)}
    storages = {}
    for key in keys:
        head = file.read(8)
        if len(head) < 8:
            raise pickle.UnpicklingError("it ends before its weights do")
        (count,) = struct.unpack("<q", head)
        if not 0 <= count <= MAX_VALUES or str(key) not in dtypes:
            raise pickle.UnpicklingError(f"its storage {key!r} of {count} values belongs to no tensor")
        storages[str(key)] = file.read(count * dtypes[str(key)].itemsize)
    return table, storages


def _zipped(file: BinaryIO) -> tuple[Any, dict[str, bytes]]:
    """The same from a zip file."""
    with zipfile.ZipFile(file) as archive:
        pickles = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise pickle.UnpicklingError("it holds no data.pkl")
        table = _table(_Unpickler(io.BytesIO(archive.read(pickles[0]))).load())
        prefix = pickles[0].removesuffix(".pkl") + "/"
        return table, {
            n.removeprefix(prefix): archive.read(n) for n in archive.namelist() if n.startswith(prefix)
        }


def read_weights(path: Path, sha256: str = "") -> dict[str, NDArray[Any]]:
    """Arrays of a torch file by name.

    Parameters
    ----------
    path : a file written by ``torch.save(state_dict)``.
    sha256 : beginning of the hash the file must have; "" takes any.

    Raises
    ------
    ValueError
        The file is missing, has another hash, is damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such weights file")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if not found.startswith(sha256):
        raise ValueError(
            f"{path}: expected the file of SHA-256 {sha256}..., got {found[:16]}...; fetch it again"
        )
    try:
        file = io.BytesIO(data)
        table, storages = (_zipped if data[:2] == b"PK" else _legacy)(file)
        arrays: dict[str, NDArray[Any]] = {}
        for name, tensor in table.items():
            if not isinstance(tensor, _Tensor):
                continue
            flat = np.frombuffer(storages[tensor.key], tensor.dtype)
            last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
            if min((tensor.offset, *tensor.shape, *tensor.strides), default=0) < 0 or (
                0 not in tensor.shape and last >= len(flat)
            ):
                raise pickle.UnpicklingError(f"its tensor {name} reaches beyond its storage")
            strides = [s * tensor.dtype.itemsize for s in tensor.strides]
            arrays[str(name)] = np.lib.stride_tricks.as_strided(
                flat[tensor.offset :], tensor.shape, strides
            ).copy()
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, TypeError, ValueError, AttributeError,
            ImportError, struct.error, zipfile.BadZipFile, MemoryError, OverflowError) as error:  # fmt: skip
        raise ValueError(f"{path}: expected weights saved by torch, but {error}") from None
    return arrays
