"""A meeting: its speakers found by their faces, a track for each of those wanted, and who spoke when (E9b).

python examples/meeting_recording.py meeting.mp4 minutes        # all speakers
python examples/meeting_recording.py meeting.mp4 minutes A,C    # two of them; the others are noise
"""

import sys

from seehear.errors import SeehearError
from seehear.meeting import choose, look, write


def main(recording: str, folder: str, speakers: str = "") -> None:
    """Two passes: who is there, then a track for each."""
    faces = look(recording)
    print(f"seen: {', '.join(faces.names)}")
    chosen = choose(speakers.split(",") if speakers else None, faces)
    write(recording, faces, folder, chosen)
    print(
        f"{folder}: {', '.join(faces.names[k] + '.wav' for k in chosen)}, joint.wav, timeline.json, timeline.rttm"
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SeehearError as error:
        sys.exit(f"meeting_recording: {error}")
