// Pictures of a camera, each with the moment when it was taken: which of them are sent, how large, and where they come from.

const WIDE = 320, A_SECOND = 25;
const EARLY = 10; // ms, so that of 30 pictures a second 25 are taken, and of 25 all
const MOST = 2; // on their way at a time; what comes meanwhile is left out, so that what is taken is always the newest

export const size = (width, height) => [Math.min(WIDE, width), Math.round((Math.min(WIDE, width) * height) / width)];

// Which pictures are taken. `take` says so of one that comes now, in ms; `done` of each that was: it is on its way no more.
export class Pace {
  constructor() {
    Object.assign(this, { due: 0, busy: 0 });
  }

  take(now) {
    if (this.busy >= MOST || now < this.due - EARLY) return false;
    this.due = Math.max(this.due, now - EARLY) + 1000 / A_SECOND;
    this.busy++;
    return true;
  }

  done() {
    this.busy--;
  }
}

// Where the browser does not give pictures to a worker, the page takes them from an element, as long as it is in sight.
export class Pictures {
  // track: of a camera. take(ImageBitmap, moment in ms of performance.now()): `done` is to be called after each.
  constructor(track, take) {
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
    this.video.play().catch(() => {}); // it was taken away at once
    Object.assign(this, { take, pace: new Pace(), ended: false });
    this.wait();
  }

  done() {
    this.pace.done();
  }

  close() {
    this.ended = true;
    this.video.srcObject = null;
  }

  wait() {
    if (this.ended) return;
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback((now, { captureTime }) => this.look(now, captureTime));
    else setTimeout(() => this.look(performance.now()), 1000 / A_SECOND);
  }

  async look(now, captured = now) {
    this.wait();
    const { videoWidth, videoHeight } = this.video;
    if (this.ended || !videoWidth || !this.pace.take(now)) return;
    const [resizeWidth, resizeHeight] = size(videoWidth, videoHeight);
    const picture = await createImageBitmap(this.video, { resizeWidth, resizeHeight, resizeQuality: "medium" }).catch(() => null);
    if (picture && !this.ended) this.take(picture, captured);
    else this.done();
  }
}
