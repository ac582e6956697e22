"""A PulseAudio of its own with a microphone and a loudspeaker that exist in memory only."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

#: What is needed: Debian's pulseaudio, pulseaudio-utils and libasound2-plugins.
TOOLS = ("pulseaudio", "pactl", "paplay", "parec")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

_CONFIG = """load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
load-module module-null-sink sink_name=vmic rate={mic_rate} channels=2
load-module module-null-sink sink_name=vspk rate={speaker_rate} channels=2
load-module module-remap-source source_name=mic master=vmic.monitor
"""
_ALSA = """pcm.!default {type pulse}
ctl.!default {type pulse}
pcm.vin {type pulse
 device mic
 hint {show on
 description "virtual microphone"}}
pcm.vout {type pulse
 device vspk
 hint {show on
 description "virtual loudspeaker"}}
"""


class SoundServer:
    """Start, kill, and start again; `env` is for whoever shall use it, as "vin" and "vout" of ALSA."""

    def __init__(self, folder: Path, mic_rate: int = 48000, speaker_rate: int = 44100) -> None:
        self.home = folder
        self.socket = folder / "pulse.socket"
        (folder / ".asoundrc").write_text(_ALSA)
        self.config = folder / "pulse.pa"
        self.config.write_text(
            _CONFIG.format(socket=self.socket, mic_rate=mic_rate, speaker_rate=speaker_rate)
        )
        self._processes: list[subprocess.Popen[bytes]] = []
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> Mapping[str, str]:
        return {
            **os.environ, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home), "XDG_CONFIG_HOME": str(self.home),
            "PULSE_SERVER": f"unix:{self.socket}", "PULSE_LATENCY_MSEC": "20",
        }  # fmt: skip

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        for old in (self.home / "pulse").glob("pid"):
            old.unlink()
        self._server = self._popen(
            "pulseaudio", "-n", "-F", str(self.config), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
            "--realtime=no", "--high-priority=no",
        )  # fmt: skip
        for _ in range(100):
            if self.run("pactl", "info").returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("pulseaudio did not start")
        # a null sink without an impatient reader works in pieces of two seconds
        for sink in ("vmic", "vspk"):
            self._popen("parec", "--latency-msec=10", f"--device={sink}.monitor", stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        """As if it had crashed."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._processes.clear()

    def play(self, samples: np.ndarray, rate: int, device: str = "vmic") -> subprocess.Popen[bytes]:
        """Into the microphone: float [n], while this goes on."""
        player = self._popen(
            "paplay", "--raw", f"--rate={rate}", "--format=s16le", "--channels=1", "--latency-msec=20",
            f"--device={device}", stdin=subprocess.PIPE,
        )  # fmt: skip
        assert player.stdin is not None
        data = (32767 * samples).astype("<i2").tobytes()

        def feed() -> None:
            assert player.stdin is not None
            try:
                player.stdin.write(data)
                player.stdin.close()
            except OSError:
                pass

        threading.Thread(target=feed, daemon=True).start()
        return player

    def record(
        self, path: Path, rate: int, device: str = "vspk.monitor", channels: int = 1
    ) -> subprocess.Popen[bytes]:
        """What the loudspeaker plays, raw int16, until it is killed."""
        return self._popen(
            "parec", "--raw", f"--rate={rate}", "--format=s16le", f"--channels={channels}", "--latency-msec=10",
            f"--device={device}", stdout=path.open("wb"),
        )  # fmt: skip

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, env=self.env, capture_output=True, timeout=10, check=False)

    def _popen(self, *command: str, **pipes: object) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            command, env=self.env, stderr=subprocess.DEVNULL, **pipes
        )
        self._processes.append(process)
        return process
