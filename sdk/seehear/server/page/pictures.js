// Small pictures of a camera, each with the moment when it was taken.

const WIDE = 320, A_SECOND = 25;
const MOST = 2; // on their way at a time
const EARLY = 10; // ms, so that of 30 pictures a second 25 are taken, and of 25 all

export class Pictures {
  // track: of a camera. take(ImageBitmap, moment in ms of performance.now()). Whoever takes it calls `ready` for each; what comes
  // while `MOST` are on their way is left out, so that what is taken is always the newest.
  constructor(track, take) {
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
    this.video.play().catch(() => {}); // it was taken away at once
    Object.assign(this, { take, due: 0, busy: 0, ended: false });
    this.wait();
  }

  ready() {
    this.busy--;
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
    if (this.ended || this.busy >= MOST || now < this.due - EARLY || !videoWidth) return;
    this.due = Math.max(this.due, now - EARLY) + 1000 / A_SECOND;
    this.busy++;
    const wide = Math.min(WIDE, videoWidth), high = Math.round((wide * videoHeight) / videoWidth);
    const picture = await createImageBitmap(this.video, { resizeWidth: wide, resizeHeight: high, resizeQuality: "medium" }).catch(() => null);
    if (picture && !this.ended) this.take(picture, captured);
    else this.busy--;
  }
}
