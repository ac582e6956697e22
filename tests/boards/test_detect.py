"""Recognising a board from recorded /proc, /sys and device-tree trees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seehear.boards import detect
from seehear.boards.detector import elf_machine, kernel_architecture, user_architecture


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        ("raspberry-pi-3b-plus", ["raspberry-pi-3b-plus"]),
        ("raspberry-pi-4", ["raspberry-pi-4"]),
        ("raspberry-pi-4-32bit", ["raspberry-pi-4"]),
        ("raspberry-pi-5-coral-usb", ["raspberry-pi-5", "coral-usb"]),
        ("coral-dev-board", ["coral-dev-board"]),
        ("imx8m-plus", ["imx8m-plus"]),
        ("imx93", ["imx93"]),
        ("rk3588", ["rk3588"]),
        ("khadas-vim3", ["khadas-vim3"]),
        ("rb3-gen2", ["rb3-gen2"]),
        ("genio", ["genio"]),
        ("unknown-aarch64", ["aarch64"]),
        ("pc", ["x86-64"]),
    ],
)
def test_a_recorded_tree_is_recognised(trees: Path, tree: str, found: list[str]) -> None:
    assert [each.board.id for each in detect(trees / tree)] == found


def test_the_evidence_names_what_gave_the_board_away(trees: Path) -> None:
    host, accelerator = detect(trees / "raspberry-pi-5-coral-usb")
    assert host.evidence == ("device tree: raspberrypi,5-model-b",)
    assert accelerator.evidence == ("USB id 1a6e:089a",)
    assert detect(trees / "coral-dev-board")[0].evidence == (
        "device tree: google,imx8mq-phanbell",
        "PCI id 1ac1:089a",
    )


def test_an_accelerator_is_recognised_after_its_firmware_is_loaded_too(trees: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(trees / "raspberry-pi-5-coral-usb", root)
    for name, value in (("idVendor", "18d1"), ("idProduct", "9302")):
        (root / "sys/bus/usb/devices/2-1" / name).write_text(value + "\n")
    assert detect(root)[1].evidence == ("USB id 18d1:9302",)


def test_the_second_place_of_the_device_tree_is_read_too(tmp_path: Path) -> None:
    place = tmp_path / "sys/firmware/devicetree/base"
    place.mkdir(parents=True)
    (place / "compatible").write_bytes(b"raspberrypi,model-zero-2-w\0brcm,bcm2837\0")
    assert detect(tmp_path)[0].board.id == "raspberry-pi-zero-2-w"


def test_an_empty_tree_is_not_recognised(tmp_path: Path) -> None:
    assert detect(tmp_path) == []


def test_a_32_bit_system_on_a_64_bit_kernel_is_told_apart(trees: Path, tmp_path: Path) -> None:
    shutil.copytree(trees / "unknown-aarch64", tmp_path, dirs_exist_ok=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").write_bytes(b"\x7fELF\x01\x01" + bytes(12) + (40).to_bytes(2, "little"))
    assert kernel_architecture(tmp_path) == "aarch64"
    assert user_architecture(tmp_path) == "armv7"
    assert detect(tmp_path)[0].board.id == "armv7"


def test_a_file_that_is_no_program_has_no_processor(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is longer than a header")
    assert elf_machine(tmp_path / "text") == ""
    assert elf_machine(tmp_path / "missing") == ""


def test_this_machine_is_recognised() -> None:
    assert detect()
