"""Reads the board and NPU family files and says in one sentence what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from seehear.errors import BoardError

if sys.version_info >= (3, 11):
    import tomllib
else:  # tomli is the same parser, published for older Pythons
    import tomli as tomllib

KINDS = ("linux", "usb", "microcontroller")
INTERFACES = {
    "cpu": "runs on the processor",
    "tflite-delegate": "a TFLite external delegate, loaded by name",
    "stable-delegate": "a TFLite stable delegate, which Python's load_delegate cannot load",
    "own-runtime": "the vendor's own runtime, not a TFLite delegate",
    "firmware": "called by the firmware, no operating system",
}
QUANTISATIONS = ("any", "int8", "uint8", "int16", "float16", "float32")
STEPS = ("install", "compile", "run", "verify", "pitfalls")


@dataclass(frozen=True)
class Delegate:
    """The shared library that stands for an NPU, and what it needs around it."""

    libraries: tuple[str, ...]
    symbol: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    default_options: Mapping[str, str] = field(default_factory=dict)
    device_nodes: tuple[str, ...] = ()
    usb: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    udev_rules: tuple[str, ...] = ()
    group: str = ""
    package: str = ""
    version_file: str = ""
    version_string: str = ""


@dataclass(frozen=True)
class Compile:
    """The step between the bundle and the NPU."""

    tool: str
    command: str
    required: bool
    custom_operator: str


@dataclass(frozen=True)
class Limits:
    """What an NPU takes, apart from operators; None or False means: no such limit is known."""

    static_shapes: bool = False
    max_rank: int | None = None
    wide_dimensions: int | None = None
    one_partition: bool = False
    graph_kib: int | None = None


@dataclass(frozen=True)
class Family:
    """One kind of NPU with its software; several boards share it.

    ``operators`` maps a TFLite operator name to its condition ("" if there is none); None means all.
    """

    id: str
    name: str
    interface: str
    quantisation: tuple[str, ...]
    delegate: Delegate | None
    compile: Compile | None
    limits: Limits
    operators: Mapping[str, str] | None = field(repr=False)
    steps: Mapping[str, tuple[str, ...]] = field(repr=False)
    sources: Mapping[str, tuple[str, ...]] = field(repr=False)
    unverified: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Npu:
    """An NPU of a board; ``accelerator`` is the name its compiler knows it by, ``tops`` as advertised."""

    family: Family
    name: str
    tops: float | None
    accelerator: str


@dataclass(frozen=True)
class Core:
    """A group of equal processor cores."""

    name: str
    count: int
    mhz: int


@dataclass(frozen=True)
class Board:
    """One board.

    ``mib`` lists the memory sizes that are sold (MiB, smallest first). ``ram_kib`` and ``flash_kib`` are
    those of a microcontroller. ``npus`` is in order of preference. ``fallback`` is the family that runs
    what no NPU takes.
    """

    id: str
    name: str
    kind: str
    architecture: str
    cores: tuple[Core, ...]
    mib: tuple[int, ...]
    ram_kib: int | None
    flash_kib: int | None
    npus: tuple[Npu, ...]
    fallback: Family
    device_tree: tuple[str, ...]
    usb: tuple[str, ...]
    pci: tuple[str, ...]
    set_up: tuple[str, ...] = field(repr=False)
    pitfalls: tuple[str, ...] = field(repr=False)
    sources: Mapping[str, tuple[str, ...]] = field(repr=False)
    unverified: Mapping[str, str] = field(repr=False)


class _Table:
    """A TOML table that hands out typed values and complains about what is missing, wrong or left over."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self._values = dict(values)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _take(self, key: str, kind: type | tuple[type, ...], expected: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is _REQUIRED:
                raise BoardError(f"{self._where}: '{key}' is missing; expected {expected}.")
            return default
        value = self._values.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BoardError(f"{self._where}: '{key}' is {value!r}; expected {expected}.")
        return value

    def text(self, key: str, default: Any = None) -> str:
        return str(self._take(key, str, "a text", _REQUIRED if default is None else default))

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in choices:
            raise BoardError(f"{self._where}: '{key}' is {value!r}; expected one of {', '.join(choices)}.")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        return bool(self._take(key, bool, "true or false", _REQUIRED if default is None else default))

    def number(self, key: str, optional: bool = False) -> Any:
        value = self._take(key, (int, float), "a number greater than 0", None if optional else _REQUIRED)
        if value is not None and value <= 0:
            raise BoardError(f"{self._where}: '{key}' is {value!r}; expected a number greater than 0.")
        return value

    def numbers(self, key: str) -> tuple[int, ...]:
        values = self._take(key, list, "a list of numbers", _REQUIRED)
        if not values or not all(isinstance(v, int) and v > 0 for v in values) or sorted(values) != values:
            raise BoardError(f"{self._where}: '{key}' is {values!r}; expected whole numbers, smallest first.")
        return tuple(values)

    def texts(self, key: str, required: bool = False) -> tuple[str, ...]:
        values = self._take(key, list, "a list of texts", _REQUIRED if required else [])
        if not all(isinstance(v, str) and v for v in values) or (required and not values):
            raise BoardError(f"{self._where}: '{key}' is {values!r}; expected a list of texts.")
        return tuple(values)

    def table(self, key: str, optional: bool = False) -> _Table:
        values = self._take(key, dict, "a table", {} if optional else _REQUIRED)
        return _Table(f"{self._where}, [{key}]", values)

    def tables(self, key: str) -> Iterator[_Table]:
        for number, values in enumerate(self._take(key, list, "an array of tables", []), 1):
            if not isinstance(values, dict):
                raise BoardError(f"{self._where}: '{key}' number {number} is {values!r}; expected a table.")
            yield _Table(f"{self._where}, [[{key}]] number {number}", values)

    def pairs(self) -> dict[str, str]:
        """The whole table as names and texts."""
        for key, value in self._values.items():
            if not isinstance(value, str):
                raise BoardError(f"{self._where}: '{key}' is {value!r}; expected a text.")
        values, self._values = self._values, {}
        return values

    def lists(self) -> dict[str, tuple[str, ...]]:
        """The whole table as names and lists of texts."""
        return {key: self.texts(key, required=True) for key in list(self._values)}

    def close(self) -> None:
        for key in self._values:
            known = ", ".join(sorted(set(self._known))) or "none"
            raise BoardError(f"{self._where}: '{key}' is not a known key; known are: {known}.")


_REQUIRED = object()


def _covered(key: str, sources: Mapping[str, Any]) -> bool:
    parts = key.split(".")
    return any(".".join(parts[:n]) in sources for n in range(1, len(parts) + 1))


def _sources(
    where: str, table: _Table, needed: list[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    sources = table.table("sources").lists()
    for key in needed:
        if not _covered(key, sources):
            raise BoardError(
                f"{where}: '{key}' has no source; add it to [sources] (a URL or the name of a document)."
            )
    unverified = table.table("unverified", optional=True).pairs()
    for key in unverified:
        if not _covered(key, sources):
            raise BoardError(f"{where}: [unverified] names '{key}', which [sources] does not know.")
    return sources, unverified


def _delegate(table: _Table) -> Delegate:
    delegate = Delegate(
        libraries=table.texts("libraries", required=True),
        symbol=table.text("symbol"),
        needs=table.texts("needs"),
        options=table.table("options", optional=True).pairs(),
        default_options=table.table("default_options", optional=True).pairs(),
        device_nodes=table.texts("device_nodes"),
        usb=table.texts("usb"),
        modules=table.texts("modules"),
        udev_rules=table.texts("udev_rules"),
        group=table.text("group", ""),
        package=table.text("package", ""),
        version_file=table.text("version_file", ""),
        version_string=table.text("version_string", ""),
    )
    table.close()
    return delegate


def _compile(table: _Table) -> Compile:
    step = Compile(
        table.text("tool"), table.text("command"), table.flag("required"), table.text("custom_operator")
    )
    table.close()
    return step


def _limits(table: _Table) -> Limits:
    limits = Limits(
        static_shapes=table.flag("static_shapes", False),
        max_rank=table.number("max_rank", optional=True),
        wide_dimensions=table.number("wide_dimensions", optional=True),
        one_partition=table.flag("one_partition", False),
        graph_kib=table.number("graph_kib", optional=True),
    )
    table.close()
    return limits


def parse_family(name: str, values: Mapping[str, Any]) -> Family:
    """A family from the values of its file.

    Parameters
    ----------
    name : str
        The family's id, which is the file's name without ".toml".
    values : mapping
        The parsed TOML file.

    Raises
    ------
    BoardError
        With one sentence that names file, key, what stands there and what was expected.
    """
    where = f"boards/families/{name}.toml"
    table = _Table(where, values)
    label = table.text("name")
    interface = table.choice("interface", tuple(INTERFACES))
    quantisation = table.texts("quantisation", required=True)
    for value in quantisation:
        if value not in QUANTISATIONS:
            expected = ", ".join(QUANTISATIONS)
            raise BoardError(f"{where}: 'quantisation' holds {value!r}; expected some of {expected}.")
    present = [key for key in ("delegate", "compile", "limits", "operators") if key in table]
    delegate = _delegate(table.table("delegate")) if "delegate" in table else None
    if interface not in ("cpu", "firmware") and delegate is None:
        raise BoardError(f"{where}: interface '{interface}' needs a [delegate] table.")
    step = _compile(table.table("compile")) if "compile" in table else None
    limits = _limits(table.table("limits", optional=True))
    operators = table.table("operators").pairs() if "operators" in table else None
    if operators is None and interface != "cpu":
        raise BoardError(f"{where}: 'operators' is missing; expected a table of TFLite operator names.")
    for operator in operators or ():
        if operator != operator.upper():
            raise BoardError(f"{where}: operator '{operator}' is not a TFLite name such as FULLY_CONNECTED.")
    steps_table = table.table("steps")
    steps = {key: steps_table.texts(key, required=True) for key in STEPS}
    steps_table.close()
    needed = ["interface", "quantisation", *present, *(f"steps.{key}" for key in STEPS)]
    sources, unverified = _sources(where, table, needed)
    table.close()
    return Family(
        name, label, interface, quantisation, delegate, step, limits, operators, steps, sources, unverified
    )


def parse_board(name: str, values: Mapping[str, Any], families: Mapping[str, Family]) -> Board:
    """A board from the values of its file; `families` by id. Raises BoardError as `parse_family` does."""
    where = f"boards/{name}.toml"
    table = _Table(where, values)
    label = table.text("name")
    kind = table.choice("kind", KINDS)
    present = [key for key in ("cpu", "memory", "npu") if key in table]
    architecture, cores = "", []
    if kind != "usb":
        cpu = table.table("cpu")
        architecture = cpu.text("architecture")
        for core in cpu.tables("cores"):
            cores.append(Core(core.text("name"), int(core.number("count")), int(core.number("mhz"))))
            core.close()
        cpu.close()
    mib: tuple[int, ...] = ()
    ram_kib = flash_kib = None
    if kind == "microcontroller":
        memory = table.table("memory")
        ram_kib, flash_kib = memory.number("ram_kib"), memory.number("flash_kib")
        memory.close()
    elif "memory" in table:
        memory = table.table("memory")
        mib = memory.numbers("mib")
        memory.close()
    npus = []
    for npu in table.tables("npu"):
        family = npu.text("family")
        if family not in families:
            raise BoardError(
                f"{where}: NPU family '{family}' is not known; expected one of {', '.join(sorted(families))}."
            )
        npus.append(
            Npu(
                families[family],
                npu.text("name"),
                npu.number("tops", optional=True),
                npu.text("accelerator", ""),
            )
        )
        npu.close()
    found = table.table("detect")
    device_tree, usb, pci = found.texts("device_tree"), found.texts("usb"), found.texts("pci")
    found.close()
    notes = table.table("notes")
    set_up, pitfalls = notes.texts("set_up", required=True), notes.texts("pitfalls", required=True)
    notes.close()
    sources, unverified = _sources(where, table, [*present, "detect", "notes"])
    table.close()
    fallback = families["firmware" if kind == "microcontroller" else "cpu"]
    return Board(
        id=name,
        name=label,
        kind=kind,
        architecture=architecture,
        cores=tuple(cores),
        mib=mib,
        ram_kib=ram_kib,
        flash_kib=flash_kib,
        npus=tuple(npus),
        fallback=fallback,
        device_tree=device_tree,
        usb=usb,
        pci=pci,
        set_up=set_up,
        pitfalls=pitfalls,
        sources=sources,
        unverified=unverified,
    )


def data_folder() -> Path:
    """Where the TOML files lie: beside this module when installed, in the tree's boards/ folder otherwise."""
    installed = Path(__file__).parent / "data"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "boards"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BoardError(f"boards/{path.name}: not readable as TOML: {error}.") from error


@lru_cache(maxsize=1)
def _families() -> dict[str, Family]:
    paths = sorted((data_folder() / "families").glob("*.toml"))
    return {path.stem: parse_family(path.stem, _read(path)) for path in paths}


@lru_cache(maxsize=1)
def _boards() -> dict[str, Board]:
    paths = sorted(data_folder().glob("*.toml"))
    return {path.stem: parse_board(path.stem, _read(path), _families()) for path in paths}


def list_boards() -> list[Board]:
    """All boards, sorted by id.

    >>> "raspberry-pi-5" in [board.id for board in list_boards()]
    True
    """
    return list(_boards().values())


def list_families() -> list[Family]:
    """All NPU families, sorted by id."""
    return list(_families().values())


def get_board(name: str) -> Board:
    """The board with id `name`; BoardError names the known ones if there is none such.

    >>> get_board("imx93").npus[0].accelerator
    'ethos-u65-256'
    """
    if name not in _boards():
        raise BoardError(f"Board '{name}' is not known; known boards are: {', '.join(_boards())}.")
    return _boards()[name]


def get_family(name: str) -> Family:
    """The NPU family with id `name`; BoardError names the known ones if there is none such."""
    if name not in _families():
        raise BoardError(f"NPU family '{name}' is not known; known families are: {', '.join(_families())}.")
    return _families()[name]
