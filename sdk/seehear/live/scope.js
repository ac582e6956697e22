// Draws what an engine says of itself into the elements of a page that are marked data-draw. It knows no socket:
// `mount(root).take(message)` takes each message, an ArrayBuffer or a text, as described in monitor.py.

const COLUMNS = 0, PICTURE = 1, HEAD = 16, OWN = 4; // bytes before the columns, and before the spectra of each
const SHOWN_DB = [-84, -14]; // of the spectrograms, from the darkest to the brightest
const PITCH = 1.6; // CSS pixels from column to column
const AHEAD = 8; // columns that wait, so that jitter is not seen
const CALM = 1000; // ms between two pictures for who asks for less motion

const MAPS = {
  dark: ["0a0a14", "1c1044", "4f127b", "812581", "b5367a", "e55064", "fb8761", "fec287", "fcfdbf"],
  light: ["fafbfd", "deeaf5", "abcee9", "6aa8d6", "3a7cba", "255296", "1a2e64", "0c1230"],
};
const LIPS = { dark: ["0a0a14", "0f3d38", "14b8a6", "b5f5e6"], light: ["fafbfd", "bfe9e0", "13a391", "06554b"] };

const FACES = {
  seen: "face in sight", no_face: "no face", late: "pictures late", frozen: "picture frozen", none: "no picture",
};

// Counters: words for them, in parts; those marked ! should stay 0. What has no words here is shown by its name.
const COUNTERS = {
  Sound: {
    hops: "hops", late_hops: "late hops!", overruns: "overruns!", underruns: "underruns!", xruns: "told by the cards!",
    lost_samples: "samples lost!", starved: "while no mic was there", cuts: "cuts!", output_overruns: "not taken!",
    nonfinite_samples: "not a number!", clamped_samples: "clamped!", saturated_samples: "saturated!",
    untapped_hops: "not shown here",
  },
  Connection: {
    blocks_sent: "blocks sent", answers: "answers", begun: "streams begun", resumed: "resumed", connections_lost: "lost!",
    pictures_sent: "pictures sent", pictures_held_back: "held back", stream_pictures_dropped: "dropped there", stream_pictures_damaged: "damaged!",
    server_samples: "samples from the server", local_samples: "from the net here", untouched_samples: "as they came",
    switches: "changes between them", late_blocks: "answers too late", connections: "connections", reconnects: "of them again",
    streams: "streams", bytes_up: "bytes up", bytes_down: "bytes down",
  },
  Pictures: {
    images_queued: "accepted", images_superseded: "superseded", images_no_face: "without a face", images_frozen: "frozen",
    images_refused: "refused!", images_mistimed: "out of order!", late_ticks: "late",
  },
  Nets: {
    lip_runs: "lip net", gate_runs: "gate net", audio_failures: "audio failures!", lip_failures: "lip failures!",
    gate_failures: "gate failures!", delegate_runs: "delegate", delegate_checked: "checked", delegate_late: "too late!",
    delegate_failures: "delegate failures!", delegates_retired: "delegates given up!",
  },
};
const HEARD = { server: "heard from the server", local: "heard from the net here", untouched: "heard as it came" };
const STAGES = {
  enhance: "enhance a hop", output: "hand it on", delay: "in all", vision: "vision, a picture", image_age: "age of a picture",
  round_trip: "server and back", jpeg: "a picture as JPEG",
};
const ROUTINE = new Set(["camera_open", "camera_ended", "face_found", "face_lost", "prompt", "prompt_gone", "mic_back", "speaker_back", "begun", "resumed", "server_open", "server_heard"]);

export function mount(root) {
  const at = Object.fromEntries([...root.querySelectorAll("[data-draw]")].map((each) => [each.dataset.draw, each]));
  const dark = matchMedia("(prefers-color-scheme: dark)"), calm = matchMedia("(prefers-reduced-motion: reduce)");
  let hello = null;
  let theme = colours();
  let faces = [];
  let past = []; // what is drawn, newest last
  let coming = []; // what has come
  const rolls = ["before", "after", "lips"].filter((name) => at[name]).map((name) => new Roll(at[name], name));

  dark.addEventListener("change", () => {
    theme = colours();
    repaint();
  });
  new ResizeObserver(repaint).observe(at.before);

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const name = dark.matches ? "dark" : "light";
    const one = (key) => style.getPropertyValue(`--${key}`).trim();
    const [least, most] = SHOWN_DB.map((db) => 255 * (1 - db / (hello?.floor_db ?? -100)));
    return {
      sound: ramp(MAPS[name], least, most), lips: ramp(LIPS[name], 0, 255), gate: one("gate"),
      faces: Object.fromEntries(Object.keys(FACES).map((face) => [face, one(face)])),
    };
  }

  function repaint() {
    const wide = Math.max(200, Math.round(at.before.clientWidth / PITCH));
    for (const roll of rolls) roll.reset(wide);
    past = past.slice(-wide);
    for (const column of past) for (const roll of rolls) roll.add(column, theme);
    for (const roll of rolls) roll.draw();
    drawGate();
  }

  // --- what comes ---

  function take(message) {
    if (typeof message !== "string") {
      binary(message);
      return null;
    }
    const said = JSON.parse(message);
    if (said.kind === "hello") greet(said);
    else if (said.kind === "stats") tell(said);
    return said;
  }

  function greet(said) {
    hello = said;
    faces = said.faces;
    past = [];
    coming = [];
    theme = colours();
    const places = said.bands.map((hertz, band) => [hertz, (band + 0.5) / said.bands.length]);
    for (const plot of root.querySelectorAll("[data-axis]")) {
      plot.querySelectorAll("span").forEach((each) => each.remove());
      for (const hertz of [250, 1000, 2000, 4000]) {
        const place = places.find(([centre]) => centre >= hertz);
        if (place) plot.append(element("span", hertz < 1000 ? `${hertz} Hz` : `${hertz / 1000} kHz`, { bottom: `${100 * place[1]}%` }));
      }
    }
    repaint();
  }

  function binary(buffer) {
    const bytes = new Uint8Array(buffer);
    if (bytes[0] === PICTURE && at.picture) return showPicture(bytes.subarray(1));
    if (bytes[0] !== COLUMNS || !hello) return;
    const view = new DataView(buffer);
    const bands = view.getUint16(2, true), size = OWN + 3 * bands;
    for (let i = 0; i < bytes[1]; i++) {
      const column = bytes.subarray(HEAD + i * size, HEAD + (i + 1) * size);
      const part = (k) => column.subarray(OWN + k * bands, OWN + (k + 1) * bands);
      coming.push({ levels: column.subarray(0, 2), gate: column[2], face: faces[column[3]], before: part(0), after: part(1), lips: part(2) });
    }
    if (coming.length > 1000) coming = coming.slice(-500); // nobody looked
  }

  // --- what is drawn with every picture of the screen ---

  let last = performance.now(), came = last, owed = 0;
  const meters = { before: new Meter(at["level-before"], at["db-before"]), after: new Meter(at["level-after"], at["db-after"]) };
  let taken = null;

  function draw(now) {
    requestAnimationFrame(draw);
    if (calm.matches && now - last < CALM) return;
    const spent = Math.min(0.5, (now - last) / 1000);
    last = now;
    if (!hello || !coming.length) {
      if (now - came > 500) for (const meter of Object.values(meters)) meter.rest();
      return;
    }
    came = now;
    // a little faster while more waits than should, slower while less
    owed += (spent / hello.step) * Math.min(4, Math.max(0.5, coming.length / AHEAD));
    const due = coming.length > 100 ? coming.length : Math.min(coming.length, Math.floor(owed));
    owed -= Math.min(owed, due);
    if (!due) return;
    const columns = coming.splice(0, due);
    for (const column of columns) for (const roll of rolls) roll.add(column, theme);
    past.push(...columns);
    past.splice(0, past.length - rolls[0].wide);
    for (const roll of rolls) roll.draw();
    drawGate();
    for (const column of columns) {
      const [before, after] = [...column.levels].map((byte) => hello.floor_db * (1 - byte / 255));
      meters.before.add(before);
      meters.after.add(after);
      if (before > -70) taken = taken === null ? before - after : taken + 0.02 * (before - after - taken);
    }
    meters.before.draw();
    meters.after.draw();
    const newest = columns.at(-1);
    at["gate-now"].textContent = `${Math.round(newest.gate / 2.55)} %`;
  }
  requestAnimationFrame(draw);

  function drawGate() {
    const { context, width, height } = fit(at.gate);
    context.clearRect(0, 0, width, height);
    const step = width / rolls[0].wide, foot = 5 * (width / at.gate.clientWidth), high = height - foot - 2;
    const x = (i) => width - (past.length - i) * step;
    context.beginPath();
    context.moveTo(x(0), high);
    past.forEach(({ gate }, i) => context.lineTo(x(i), high - (gate / 255) * (high - 2)));
    context.lineTo(width, high);
    context.fillStyle = theme.gate + "38";
    context.fill();
    context.beginPath();
    past.forEach(({ gate }, i) => context.lineTo(x(i), high - (gate / 255) * (high - 2)));
    context.strokeStyle = theme.gate;
    context.lineWidth = 1.6 * (width / at.gate.clientWidth);
    context.stroke();
    for (let from = 0; from < past.length; ) {
      let to = from + 1;
      while (to < past.length && past[to].face === past[from].face) to++;
      context.fillStyle = theme.faces[past[from].face];
      context.fillRect(x(from), height - foot, (to - from) * step + 0.5, foot);
      from = to;
    }
  }

  let hidden = 0; // how often: a picture may come out of its JPEG after that
  async function showPicture(bytes) {
    const before = hidden;
    const image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null);
    if (!image || before !== hidden) return;
    at.picture.hidden = false;
    at["no-picture"].hidden = true;
    at.picture.width = image.width;
    at.picture.height = image.height;
    at.picture.getContext("2d").drawImage(image, 0, 0);
    image.close();
  }

  function hidePicture() {
    hidden++;
    at.picture.hidden = true;
    at["no-picture"].hidden = false;
  }

  // --- what is told twice a second ---

  function tell({ stats, events }) {
    const known = stats.microphone !== undefined;
    at.status.dataset.state = stats.state;
    at.status.textContent = stats.state === "running" ? clock(stats.seconds) : stats.state;
    for (const event of events) addEvent(event);
    if (!known) return;
    const { camera, timings } = stats;
    const heard = stats.heard ? `, ${HEARD[stats.heard] ?? stats.heard} (${stats.server.added_ms.toFixed(0)} ms later)` : "";
    at.route.textContent = `${base(stats.microphone.name)} \u2192 ${base(stats.speaker.name)}, ${stats.runtime}${heard}`;
    if (at.prompt) {
      at.prompt.hidden = !stats.prompt;
      at.prompt.textContent = stats.prompt ?? "";
    }
    number(at.taken, taken === null ? "\u2013" : Math.max(0, taken).toFixed(1), "dB");
    number(at.delay, stats.mouth_to_ear_ms.toFixed(1), "ms");
    number(at.work, timings[at.work.dataset.stage].p99.toFixed(2), "ms");
    const lost = (stats.overruns ?? 0) + stats.underruns + (stats.xruns ?? 0);
    number(at.lost, String(lost), "");
    at.lost.classList.toggle("bad", lost > 0);
    const looks = camera && stats.mode !== "audio-only";
    at.face.dataset.face = looks ? stats.face : "none";
    at.face.textContent = looks ? (FACES[stats.face] ?? stats.face) : camera ? "not looked at" : "sound alone";
    at.camera.textContent = camera
      ? `${base(camera.name)} is ${camera.state}${camera.size ? `, ${camera.size.join(" x ")}` : ""}${"visual_delay_ms" in stats ? `, used ${stats.visual_delay_ms} ms old` : ""}`
      : "no camera";
    at.timings.replaceChildren(
      rows("thead", [["", "p50", "p99", "max"]]),
      rows("tbody", Object.entries(timings).map(([stage, each]) =>
        [STAGES[stage] ?? stage, ...[each.p50, each.p99, each.max].map((ms) => ms.toFixed(ms < 10 ? 2 : 1))])),
    );
    tellCounters(stats);
  }

  function tellCounters(stats) {
    const left = new Set(Object.keys(stats).filter((key) => Number.isInteger(stats[key]) && !/^(seconds|uptime|gate|.*_(ms|ppm)(_\w+)?)$/.test(key)));
    const tables = [];
    for (const [name, words] of Object.entries(COUNTERS)) {
      const own = Object.keys(words).filter((key) => left.delete(key));
      if (!own.length) continue;
      const part = rows("tbody", own.map((key) => [words[key].replace("!", ""), stats[key].toLocaleString("en")]));
      own.forEach((key, i) => part.children[i].classList.toggle("bad", words[key].endsWith("!") && stats[key] > 0));
      tables.push(table(name, part));
    }
    if ("drift_ppm" in stats) tables[0].lastChild.append(row(["drift", `${stats.drift_ppm.toFixed(1)} ppm`]));
    tables[0].lastChild.append(row(["margin", `${stats.margin_ms.toFixed(1)} ms`]));
    if (left.size) tables.push(table("Other", rows("tbody", [...left].map((key) => [key.replaceAll("_", " "), stats[key]]))));
    at.counters.replaceChildren(...tables);
  }

  function addEvent({ kind, reason, seconds }) {
    at.events.querySelector(".empty")?.remove();
    const item = element("li");
    const text = element("span", reason);
    text.title = kind;
    text.classList.toggle("bad", !ROUTINE.has(kind));
    item.append(element("time", clock(seconds)), text);
    at.events.prepend(item);
    while (at.events.children.length > 100) at.events.lastChild.remove();
  }

  function lost(reason) {
    at.status.dataset.state = "lost";
    at.status.textContent = reason;
    at.events.replaceChildren(); // they come again
  }

  return { take, lost, hidePicture };
}

// A spectrogram that runs: a ring of columns, one pixel each, drawn in two pieces.
class Roll {
  constructor(canvas, name) {
    this.canvas = canvas;
    this.name = name;
    this.ring = document.createElement("canvas");
    this.wide = this.head = 0;
  }

  reset(wide) {
    this.wide = wide;
    this.head = 0;
    this.column = null;
  }

  add(column, theme) {
    const values = column[this.name];
    const map = this.name === "lips" ? theme.lips : theme.sound;
    if (!this.column) {
      this.ring.width = this.wide;
      this.ring.height = values.length;
      this.context = this.ring.getContext("2d");
      this.column = this.context.createImageData(1, values.length);
    }
    const pixels = new Uint32Array(this.column.data.buffer);
    for (let i = 0, j = values.length - 1; j >= 0; i++, j--) pixels[i] = map[values[j]];
    this.context.putImageData(this.column, this.head, 0);
    this.head = (this.head + 1) % this.wide;
  }

  draw() {
    const { context, width, height } = fit(this.canvas);
    context.clearRect(0, 0, width, height);
    if (!this.column) return;
    const old = this.wide - this.head, seam = Math.round((width * old) / this.wide);
    if (seam) context.drawImage(this.ring, this.head, 0, old, this.ring.height, 0, 0, seam, height);
    if (this.head) context.drawImage(this.ring, 0, 0, this.head, this.ring.height, seam, 0, width - seam, height);
  }
}

// A level that rises at once and falls by 20 dB a second, and the highest of the last second and a half.
class Meter {
  constructor(bar, text) {
    Object.assign(this, { bar: bar.firstElementChild, mark: bar.lastElementChild, text, now: -100, peak: -100, since: 0, said: 0 });
  }

  add(db) {
    this.now = Math.max(db, this.now - 0.4);
    if (db >= this.peak || performance.now() - this.since > 1500) {
      this.peak = db;
      this.since = performance.now();
    }
  }

  rest() {
    this.peak = -100;
    this.add(-100);
    this.draw();
  }

  draw() {
    const share = (db) => Math.min(1, Math.max(0, 1 + db / 60));
    this.bar.style.transform = `scaleX(${share(this.now)})`;
    this.mark.style.left = `calc(${100 * share(this.peak)}% - 2px)`;
    if (performance.now() - this.said < 150) return; // so that it can be read
    this.said = performance.now();
    this.text.textContent = `${this.now.toFixed(0).replace("-", "\u2212")} dBFS`;
  }
}

// The canvas at the screen's own pixels.
function fit(canvas) {
  const width = Math.round(canvas.clientWidth * devicePixelRatio), height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return { context: canvas.getContext("2d"), width, height };
}

// 256 colours as the little-endian words of ImageData.
function ramp(hexes, least, most) {
  const stops = hexes.map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    const place = Math.min(1, Math.max(0, (byte - least) / (most - least))) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(place));
    const [r, g, b] = stops[i].map((from, k) => Math.round(from + (place - i) * (stops[i + 1][k] - from)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

function element(name, text = "", style = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.assign(made.style, style);
  return made;
}

function number(place, text, unit) {
  place.replaceChildren(text + " ", element("small", unit));
}

function row([name, ...cells]) {
  const made = element("tr");
  made.append(element("th", name), ...cells.map((cell) => element("td", cell)));
  return made;
}

function rows(kind, entries) {
  const made = element(kind);
  for (const entry of entries) {
    const each = row(entry);
    if (kind === "thead") each.querySelectorAll("td").forEach((cell) => cell.replaceWith(element("th", cell.textContent)));
    made.append(each);
  }
  return made;
}

function table(name, body) {
  const made = element("table");
  made.append(element("caption", name), body);
  return made;
}

const base = (name) => name.split("/").at(-1);

function clock(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  return h === "00" ? `${m}:${s}` : `${h}:${m}:${s}`;
}
