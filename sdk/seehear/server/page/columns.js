// Sound as columns of a picture that runs, in the form that scope.js draws: sdk/seehear/live/columns.py in another language.

export const STEP = 0.02, BANDS = 96, FLOOR_DB = -100;

const WINDOW = 0.032, LOWEST = 60, HIGHEST = 8000; // seconds; Hz
const HEAD = 16, OWN = 4; // bytes before the columns, and before the spectra of each

export class Columns {
  // rate: Hz. lag: samples by which what is `after` is late, so that both are drawn in step.
  constructor(rate, lag) {
    this.step = Math.round(STEP * rate);
    const size = Math.max(Math.round(WINDOW * rate), this.step);
    this.size = size;
    this.points = 2 ** Math.ceil(Math.log2(size)); // the rest are zeros
    this.window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
    const sum = this.window.reduce((a, b) => a + b);
    for (let i = 0; i < size; i++) this.window[i] *= 2 / sum; // a sine of full scale has 0 dB
    const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
    const [low, high] = [mel(LOWEST), mel(Math.min(HIGHEST, rate / 2))];
    const corners = Array.from({ length: BANDS + 2 }, (_, i) => 700 * (10 ** ((low + ((high - low) * i) / (BANDS + 1)) / 2595) - 1));
    this.centres = corners.slice(1, -1);
    // triangles from corner to corner, but never narrower than what the window can tell apart
    this.weights = this.centres.map((centre, band) => {
      const below = Math.max(centre - corners[band], rate / size), above = Math.max(corners[band + 2] - centre, rate / size);
      const least = Math.max(0, Math.ceil(((centre - below) * this.points) / rate));
      const most = Math.min(this.points / 2, Math.floor(((centre + above) * this.points) / rate));
      const shares = Float64Array.from({ length: most - least + 1 }, (_, i) => {
        const away = ((least + i) * rate) / this.points - centre;
        return away < 0 ? 1 + away / below : 1 - away / above;
      });
      const all = shares.reduce((a, b) => a + b);
      return { least, shares: shares.map((share) => share / all) };
    });
    this.before = new Float64Array(size - this.step + lag);
    this.after = new Float64Array(size - this.step);
    this.fft = fourier(this.points);
  }

  // The message with the columns that are full now, or null. before, after: as many samples of each; gate: 0..255; face: its place in
  // the hello; seconds: on the sample clock at the end.
  add(before, after, gate, face, seconds) {
    this.before = joined(this.before, before);
    this.after = joined(this.after, after);
    const count = Math.floor((this.after.length - this.size) / this.step) + 1;
    if (count < 1) return null;
    const one = OWN + 3 * BANDS, message = new Uint8Array(HEAD + count * one), view = new DataView(message.buffer);
    view.setUint8(1, count);
    view.setUint16(2, BANDS, true);
    view.setFloat64(8, seconds, true);
    for (let column = 0; column < count; column++) {
      const place = HEAD + column * one;
      message.set([0, 0, gate, face], place);
      [this.before, this.after].forEach((sound, which) => {
        const frame = sound.subarray(column * this.step, column * this.step + this.size);
        message[place + which] = byte(frame.subarray(-this.step).reduce((sum, each) => sum + each * each, 0) / this.step);
        message.set(this.spectrum(frame), place + OWN + which * BANDS);
      });
    }
    this.before = this.before.slice(count * this.step);
    this.after = this.after.slice(count * this.step);
    return message.buffer;
  }

  spectrum(frame) {
    const power = this.fft(frame.map((sample, i) => sample * this.window[i]));
    return this.weights.map(({ least, shares }) => {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) sum += shares[i] * power[least + i];
      return byte(sum);
    });
  }
}

function joined(sound, samples) {
  const both = new Float64Array(sound.length + samples.length);
  both.set(sound);
  for (let i = 0; i < samples.length; i++) both[sound.length + i] = samples[i] / 32768;
  return both;
}

function byte(power) {
  return Math.max(0, Math.min(255, Math.round(255 * (1 - (10 * Math.log10(Math.max(power, 1e-12))) / FLOOR_DB))));
}

// Power of the first half of the bins, of real numbers; as many as `points`, a power of two.
function fourier(points) {
  const cosines = Float64Array.from({ length: points / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / points));
  const sines = Float64Array.from({ length: points / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / points));
  const bits = Math.log2(points);
  const order = Uint32Array.from({ length: points }, (_, i) => {
    let turned = 0;
    for (let bit = 0; bit < bits; bit++) turned |= ((i >> bit) & 1) << (bits - 1 - bit);
    return turned;
  });
  const re = new Float64Array(points), im = new Float64Array(points);
  return (samples) => {
    im.fill(0);
    for (let i = 0; i < points; i++) re[i] = order[i] < samples.length ? samples[order[i]] : 0;
    for (let half = 1; half < points; half *= 2) {
      const turn = points / (2 * half);
      for (let begin = 0; begin < points; begin += 2 * half) {
        for (let i = 0; i < half; i++) {
          const a = begin + i, b = a + half, c = cosines[i * turn], s = sines[i * turn];
          const x = re[b] * c + im[b] * s, y = im[b] * c - re[b] * s;
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
    return re.subarray(0, points / 2 + 1).map((each, i) => each * each + im[i] * im[i]);
  };
}
