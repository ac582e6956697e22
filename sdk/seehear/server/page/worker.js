// What has to be in time, beside the page and whatever keeps it busy: the stream, pictures as JPEG, and what is drawn of the sound.
//
// From the page: {open: {address, hello, port}} with the port of worklet.js, {set}, {close: true}; {frames: a stream of VideoFrames,
// lag: ms by which the microphone is behind them}, or {picture: ImageBitmap, moment in ms of the computer's clock}.
// To the page, [name, what]: "welcome", "event", "lost", "refused", as stream.js has them, "draw" for scope.js, "face" a new state,
// "pictured" after each such picture, "figures" twice a second.
import { BANDS, Columns, FLOOR_DB, STEP } from "./columns.js";
import { Pace, size } from "./pictures.js";
import { FACES, Stream } from "./stream.js";

const QUALITY = 0.7;
const EVERY = 500; // ms between two figures
const TIMES = 500; // of the last pictures
const PIECE = 2000; // ms; the promptest block of the running piece and of the one before it counts

const tell = (name, what, transfer = []) => postMessage([name, what], transfer);

let port, rate, block, clock, stream, columns;
let face = null, counters = {}, sound = {};
const times = [];

onmessage = ({ data }) => {
  if (data.open) open(data.open);
  else if (data.set) stream.set(data.set);
  else if (data.frames) watch(data);
  else if (data.picture) show(data.picture, data.moment - performance.timeOrigin).then(() => tell("pictured"));
  else if (data.close) {
    stream.close();
    close();
  }
};

function open(asked) {
  ({ port } = asked);
  ({ rate, block } = asked.hello);
  clock = new Clock(rate);
  stream = new Stream(asked.address, asked.hello, {
    welcome(welcome, resumed) {
      port.postMessage({ latency: welcome.latency, again: !resumed });
      const first = !columns;
      if (!resumed) columns = new Columns(rate, welcome.latency);
      if (first) tell("draw", JSON.stringify({ kind: "hello", faces: FACES, step: STEP, floor_db: FLOOR_DB, bands: columns.centres }));
      tell("welcome", { welcome, resumed });
    },
    answer(answer) {
      const { at, samples, before, gate } = answer;
      const drawn = before && columns.add(before, samples, gate, answer.face, (at + block) / rate);
      port.postMessage({ at, samples }, [samples.buffer]);
      if (drawn) tell("draw", drawn, [drawn]);
      if (answer.face !== face) tell("face", FACES[(face = answer.face)]);
    },
    counters: (found) => (counters = found),
    lost: (reason) => tell("lost", reason),
    refused: (error) => tell("refused", error),
    event: (kind, reason) => tell("event", { kind, reason, seconds: sound.seconds ?? 0 }),
  });
  port.onmessage = ({ data: { at, samples, delay, spare, underruns } }) => {
    clock.add(at + block, performance.now());
    sound = { seconds: at / rate, delay: delay / rate, spare: spare / rate, underruns };
    stream.push(at, samples);
  };
  setInterval(() => tell("figures", { ...sound, counts: { ...counters, ...stream.counts }, timings: { round_trip: summary(stream.times), jpeg: summary(times) } }), EVERY);
}

// A page's worker has a clock of its own; frames are read at once, for what waits would seem to be newer than it is.
async function watch({ frames, lag }) {
  const reader = frames.getReader(), pace = new Pace();
  for (;;) {
    const { value: frame, done } = await reader.read(), now = performance.now();
    if (done) return;
    if (pace.take(now)) show(frame, now + lag).then(() => pace.done());
    else frame.close();
  }
}

async function show(picture, moment) {
  const begin = performance.now(), [width, height] = size(picture.displayWidth ?? picture.width, picture.displayHeight ?? picture.height);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d", { alpha: false, willReadFrequently: true }).drawImage(picture, 0, 0, width, height);
  picture.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  const message = new Uint8Array(1 + blob.size);
  message[0] = 1;
  message.set(new Uint8Array(await blob.arrayBuffer()), 1);
  stream.show(clock.position(moment), message.subarray(1));
  times.push(performance.now() - begin);
  if (times.length > TIMES) times.shift();
  tell("draw", message.buffer, [message.buffer]);
}

function summary(all) {
  const sorted = Float64Array.from(all).sort(), at = (share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

// sdk/seehear/sample_clock.py: blocks come late by more or less and never early, so the promptest tells.
class Clock {
  constructor(hertz) {
    Object.assign(this, { hertz, least: Infinity, before: Infinity, begin: -Infinity });
  }

  add(position, ms) {
    if (ms - this.begin >= PIECE) Object.assign(this, { before: ms - this.begin < 2 * PIECE ? this.least : Infinity, least: Infinity, begin: ms });
    this.least = Math.min(this.least, ms - (1000 * position) / this.hertz);
  }

  position(ms) {
    return Math.round(((ms - Math.min(this.least, this.before)) * this.hertz) / 1000);
  }
}
