#!/bin/sh
# Makes demo_speech.wav and demo_babble.wav, both 16 kHz mono, from nothing but espeak-ng (Debian: apt install espeak-ng sox).
# The files are kept in the repository, so nobody has to run this; it says where they come from.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { # voice speed pitch text -> stdout, 16 kHz
    espeak-ng -v "$1" -s "$2" -p "$3" --stdout "$4" | sox -t wav - -r 16000 -c 1 -b 16 -t wav -
}

say en-us+f3 150 55 "Good morning. I am speaking in a noisy room, and you can see my mouth. \
Please open the window, and bring me a cup of tea." > "$work/speech.wav"
say en-gb-x-rp+m1 175 40 "The train to the coast leaves every hour, but on Sundays you have to change, and that takes half an hour more." > "$work/1.wav"
say en-gb-scotland+f2 165 60 "We looked at seven flats in one afternoon, and every one of them had something wrong with the kitchen or the stairs." > "$work/2.wav"
say en-us+m3 180 30 "What I told them was that nobody reads a report of ninety pages, so write two and put the numbers in a table." > "$work/3.wav"
say en-029+m5 160 50 "My brother grows tomatoes on the roof, and this year there are so many that he gives them away in buckets." > "$work/4.wav"
say en-gb-x-gbclan+f4 170 45 "She sings in the choir on Thursdays, and afterwards they all go out and argue about the music until midnight." > "$work/5.wav"
say en-us-nyc+m7 185 55 "If the printer stops again, take the paper out, count to ten, and put it back the other way round." > "$work/6.wav"

sox "$work/speech.wav" demo_speech.wav pad 0.2 0.3 norm -3
length=$(soxi -D demo_speech.wav)
for n in 1 2 3 4 5 6; do
    sox "$work/$n.wav" "$work/$n.loop.wav" norm -6 pad 0 0.2 repeat 2 trim "0.$n" "$length"
done
sox -m "$work"/?.loop.wav demo_babble.wav norm -3
