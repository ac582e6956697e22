// The clock of the page: cuts the microphone into blocks, and plays the answers to them at a constant distance behind it.
//
// All positions are samples of the microphone since this was made. Sample `at` comes in while sample `at - delay` of the answers
// goes out, and with it the microphone's own that is as late as the method makes them, so the two can be cross-faded.
// From the page: {port} of worker.js, once; {heard: "nothing" | "enhanced" | "untouched"}. From worker.js: {at, samples: Int16Array}
// an answer, {latency} in samples, {again: true} to measure the delay anew. To it: {at, samples: Int16Array, delay, spare, underruns}
// with each block.

const RING = 1 << 16; // samples that are kept, 1.3 s at 48 kHz
const FADE = 0.005; // seconds of every change
const FIRST_DELAY = 0.1, MOST_DELAY = 0.5; // seconds; until it is measured, and at most
const SPARE = 0.005, MORE = 0.02; // seconds beyond what was needed; more of them after an underrun
const FIRST_WINDOW = 1, WINDOW = 10; // seconds after which it is seen what was needed: each twice the one before, up to that

class Device extends AudioWorkletProcessor {
  constructor({ processorOptions: { block } }) {
    super();
    Object.assign(this, {
      block, at: 0, fade: Math.round(FADE * sampleRate), untouched: new Float32Array(RING), answers: new Float32Array(RING),
      runs: [], // of answers without a gap, {from, until}; the first is the one that is played
      cut: new Int16Array(block), filled: 0,
      latency: 0, delay: Math.round(FIRST_DELAY * sampleRate), next: null, // what latency and delay shall be, once it is silent
      heard: "nothing", there: 0, choice: 0, level: 0, // shares of 1: answers are there; they are chosen; anything is heard
      underruns: 0, spare: 0, needed: 0, window: null,
    });
    this.port.onmessage = ({ data }) => this.told(data);
    this.worker = null;
  }

  told(data) {
    if ("samples" in data) this.answer(data);
    if ("port" in data) (this.worker = data.port).onmessage = this.port.onmessage;
    if ("latency" in data && data.latency !== this.latency) this.next = { delay: this.delay, latency: data.latency };
    if ("heard" in data) this.heard = data.heard;
    if (data.again) this.window = null;
  }

  answer({ at, samples }) {
    const until = at + samples.length, last = this.runs.at(-1);
    this.measure(this.at - at + this.fade);
    if (until <= this.at - this.delay || until > this.at) return; // nobody hears it any more; or nobody said it yet
    for (let i = 0; i < samples.length; i++) this.answers[(at + i) & (RING - 1)] = samples[i] / 32768;
    if (last?.until === at) last.until = until;
    else this.runs.push({ from: at, until });
  }

  // How far behind the microphone an answer can be played that has just come, and what follows for the delay.
  measure(needed) {
    const rate = sampleRate;
    const open = (seconds, first) => {
      this.window = { end: this.at + seconds * rate, seconds, first, underruns: this.underruns };
      this.needed = 0;
    };
    if (!this.window) open(FIRST_WINDOW, true);
    this.needed = Math.max(this.needed, needed);
    this.spare = this.delay - this.needed;
    if (this.at < this.window.end) return;
    const enough = Math.min(MOST_DELAY * rate, this.needed + SPARE * rate);
    const well = this.underruns === this.window.underruns;
    if (this.window.first || (well && enough < this.delay - MORE * rate)) this.change(enough);
    open(Math.min(WINDOW, 2 * this.window.seconds), false);
  }

  change(delay) {
    this.next = { latency: this.next?.latency ?? this.latency, delay: Math.round(delay) };
  }

  // Samples of answers that are there from a position on.
  ahead(position) {
    while (this.runs.length && this.runs[0].until <= position) this.runs.shift();
    const run = this.runs[0];
    return run && run.from <= position ? run.until - position : 0;
  }

  process([[sound]], [[out]]) {
    const step = 1 / this.fade;
    const toward = (share, whole) => (whole ? Math.min(1, share + step) : Math.max(0, share - step));
    for (let i = 0; i < out.length; i++) {
      const at = this.at, sample = sound ? sound[i] : 0; // no microphone is silence: the clock goes on
      this.untouched[at & (RING - 1)] = sample;
      this.cut[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(32768 * sample)));
      if (this.next && this.level === 0) {
        Object.assign(this, this.next, { next: null, there: 0 });
      }
      const position = at - this.delay, ahead = this.ahead(position);
      // it fades while there are answers left to fade, so that an end of them is no click
      const enough = ahead > this.fade;
      if (!enough && this.there === 1) this.missed();
      this.there = toward(this.there, enough);
      this.choice = toward(this.choice, this.heard !== "untouched");
      this.level = toward(this.level, this.heard !== "nothing" && !this.next);
      if (this.level > 0) {
        const share = this.there * this.choice, own = position - this.latency;
        const answer = share > 0 ? this.answers[position & (RING - 1)] : 0;
        const untouched = own >= 0 ? this.untouched[own & (RING - 1)] : 0;
        out[i] = this.level * (share * answer + (1 - share) * untouched);
      }
      this.at++;
      if (this.filled === this.block) this.send();
    }
    return true;
  }

  missed() {
    this.underruns++;
    this.change(Math.min(MOST_DELAY * sampleRate, this.delay + MORE * sampleRate));
  }

  send() {
    const { cut: samples, block, delay, spare, underruns } = this;
    this.worker?.postMessage({ at: this.at - block, samples, delay, spare, underruns }, [samples.buffer]);
    this.cut = new Int16Array(block);
    this.filled = 0;
  }
}

registerProcessor("device", Device);
