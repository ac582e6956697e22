// A stream to the server: docs/server.md, "Wire format", from the side of a device. It knows no page and no sound card.
//
// Positions are samples of the microphone; the server counts from `base`, where the session began. Whatever happens to the
// connection, blocks come in by `push` and answers go out by `on.answer` in order; where a session cannot be resumed, it begins anew.

export const VERSION = 1, FACES = ["none", "seen", "no_face", "frozen", "late"];

const INT16 = 1, JPEG = 3, HEAD = 6, ANSWER = 8; // bytes before samples or picture, of ours and of answers
const KEPT = 4; // seconds of sound that are kept to be sent again, as the server keeps its answers
const PATIENCE = 5000; // ms without a word, after which a connection counts as cut
const BEHIND = KEPT + 2, PICTURES_BEHIND = 0.2; // seconds of sound that may wait to be sent at all, and while a picture is
const WAITS = [0, 500, 1000, 2000, 4000]; // ms before one attempt after the other
const TIMES = 500; // blocks of which the time there and back is kept

export class Stream {
  // address: of the websocket. hello: rate, block, picture, strength, token. on: what is called,
  //   welcome({latency, model, runtime, ...}, resumed), answer({at, samples, before, face, gate}), counters({...}),
  //   lost(reason) with no connection, refused({code, reason}) when it ends for good, event(kind, reason).
  constructor(address, hello, on) {
    Object.assign(this, { address, hello, on, kept: [], times: [], attempt: 0, ended: false });
    this.counts = { blocks_sent: 0, answers: 0, begun: 0, resumed: 0, connections_lost: 0, pictures_sent: 0, pictures_held_back: 0 };
    this.forget();
    this.connect();
  }

  // --- what the device does ---

  push(at, samples) {
    const message = new Uint8Array(HEAD + samples.byteLength);
    message[0] = INT16;
    message.set(new Uint8Array(samples.buffer), HEAD);
    this.kept.push({ at, samples, message, sent: 0 });
    if (this.kept.length > KEPT * this.persecond) this.kept.shift();
    if (performance.now() - this.heard > PATIENCE) this.cut("the server does not answer");
    if (this.welcome) this.send(this.kept.at(-1));
  }

  // A JPEG (Uint8Array), exposed at that position.
  show(at, jpeg) {
    if (!this.welcome || this.base === null || this.hello.picture !== "jpeg" || at < this.base) return;
    if (this.waits > PICTURES_BEHIND || HEAD + jpeg.byteLength > this.welcome.message_bytes) {
      this.counts.pictures_held_back++;
      return;
    }
    const message = new Uint8Array(HEAD + jpeg.byteLength);
    message[0] = JPEG;
    new DataView(message.buffer).setUint32(2, at - this.base, true);
    message.set(jpeg, HEAD);
    this.socket.send(message);
    this.counts.pictures_sent++;
  }

  // Something of the hello, from here on; for `picture` it begins anew.
  set(settings) {
    const other = "picture" in settings && settings.picture !== this.hello.picture;
    Object.assign(this.hello, settings);
    if (other) this.anew();
    else if (this.welcome && "strength" in settings) this.say({ kind: "settings", strength: settings.strength });
  }

  close() {
    this.ended = true;
    this.leave();
  }

  // --- the connection ---

  get persecond() {
    return this.hello.rate / this.hello.block;
  }

  // Seconds of sound that wait here to be sent.
  get waits() {
    return (this.socket?.bufferedAmount ?? 0) / (2 * this.hello.rate);
  }

  forget() {
    Object.assign(this, { session: "", base: null, wanted: 0 });
  }

  connect() {
    clearTimeout(this.timer);
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    Object.assign(this, { socket, welcome: null, heard: performance.now(), last: null });
    socket.onopen = () =>
      this.say({ kind: "hello", version: VERSION, sound: "int16", stats: 0.5, ...this.hello, session: this.session, received: this.wanted });
    socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      if (typeof data === "string") this.told(JSON.parse(data));
      else this.answered(data);
    };
    socket.onclose = () => {
      if (this.last) this.refused(this.last);
      else this.cut("no connection");
    };
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  // Leave this connection; the server is told, so that it forgets the session.
  leave() {
    clearTimeout(this.timer);
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (this.welcome) this.say({ kind: "bye" });
    socket.close();
    this.welcome = null;
  }

  anew() {
    this.leave();
    this.forget();
    this.attempt = 0;
    this.connect();
  }

  cut(reason) {
    if (this.welcome) {
      this.counts.connections_lost++;
      this.on.event("connection_lost", reason);
    }
    this.welcome = null; // no bye: it is to be resumed
    this.leave();
    this.again(0, reason);
  }

  again(least, reason) {
    const wait = Math.max(least, WAITS[Math.min(this.attempt++, WAITS.length - 1)]);
    this.on.lost(reason);
    this.heard = performance.now() + wait;
    this.timer = setTimeout(() => this.connect(), wait);
  }

  refused({ code, reason, retry }) {
    this.forget();
    this.welcome = null;
    if (code === "pictures" && this.hello.picture !== "none") {
      this.hello.picture = "none";
      this.on.event("no_pictures", `goes on with sound alone: ${reason}`);
      this.again(0, reason);
    } else if (retry === null) {
      this.ended = true;
      this.on.refused({ code, reason });
    } else {
      if (code !== "gone") this.on.event(code, reason);
      this.again(1000 * (retry ?? 0), reason);
    }
  }

  // --- what the server says ---

  told(said) {
    if (said.kind === "welcome") this.greet(said);
    else if (said.kind === "stats") this.on.counters(said.counters);
    else if (said.kind === "error") this.last = said;
    else if (said.kind === "drain") {
      this.on.event("drain", "the server is about to stop; a new stream is begun");
      this.anew();
    }
  }

  greet(welcome) {
    const resumed = this.session !== "";
    this.attempt = 0;
    if (resumed && this.kept.length && this.kept[0].at - this.base > welcome.next) {
      this.welcome = welcome;
      this.on.event("begun_anew", "it was away for too long to go on where it was");
      this.anew(); // what the server wants next is not kept any more
      return;
    }
    this.session = welcome.session;
    this.welcome = welcome;
    this.counts[resumed ? "resumed" : "begun"]++;
    this.on.welcome(welcome, resumed);
    if (resumed) for (const block of this.kept.filter(({ at }) => at - this.base >= welcome.next)) this.send(block);
  }

  send(block) {
    if (this.waits > BEHIND) {
      this.on.event("slow", "the connection is too slow for the sound; a new stream is begun");
      this.anew();
      return;
    }
    this.base ??= block.at;
    new DataView(block.message.buffer).setUint32(2, block.at - this.base, true);
    this.socket.send(block.message);
    block.sent = performance.now();
    this.counts.blocks_sent++;
  }

  answered(data) {
    const view = new DataView(data), first = view.getUint32(2, true), at = this.base + first;
    if (first !== this.wanted) {
      this.on.event("order", `expected an answer from sample ${this.wanted} on, got ${first}; a new stream is begun`);
      this.anew();
      return;
    }
    const samples = new Int16Array(data, ANSWER);
    this.wanted += samples.length;
    this.counts.answers++;
    const block = this.kept.find((each) => each.at === at);
    if (block) {
      this.times.push(this.heard - block.sent);
      if (this.times.length > TIMES) this.times.shift();
    }
    this.on.answer({ at, samples, before: block?.samples, face: view.getUint8(1), gate: view.getUint8(6) });
  }
}
