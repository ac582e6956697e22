// Microphone and loudspeaker around worklet.js.

const LOWEST = 8000, HIGHEST = 48000; // Hz that the server takes
const BLOCK = 0.02; // seconds

// Asked of the microphone: its sound as it is, for what the browser would take away is what the nets listen to.
export const untouched = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };

export class Sound {
  // To be called by a click, or the browser may leave it silent.
  static async open() {
    let context = new AudioContext({ latencyHint: "interactive" });
    if (context.sampleRate > HIGHEST || context.sampleRate < LOWEST) {
      await context.close();
      context = new AudioContext({ latencyHint: "interactive", sampleRate: HIGHEST });
    }
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    return new Sound(context);
  }

  // `port`: for who takes the blocks and has the answers.
  constructor(context) {
    Object.assign(this, { context, rate: context.sampleRate, block: Math.round(BLOCK * context.sampleRate) });
    this.node = new AudioWorkletNode(context, "device", {
      outputChannelCount: [1], channelCount: 1, channelCountMode: "explicit", processorOptions: { block: this.block },
    });
    this.node.connect(context.destination);
    const { port1, port2 } = new MessageChannel();
    this.node.port.postMessage({ port: port1 }, [port1]);
    this.port = port2;
  }

  // The microphone of this MediaStream, from here on; gone(): it was taken away.
  from(stream, gone) {
    this.silence();
    [this.track] = stream.getAudioTracks();
    this.track.onended = gone;
    this.source = new MediaStreamAudioSourceNode(this.context, { mediaStream: new MediaStream([this.track]) });
    this.source.connect(this.node);
  }

  silence() {
    this.source?.disconnect();
    if (this.track) this.track.onended = null;
    this.track?.stop();
  }

  // "nothing", "enhanced" or "untouched".
  hear(heard) {
    this.node.port.postMessage({ heard });
  }

  // Seconds by which sound of the world comes late, and by which it goes out late, as far as the browser says so.
  get lag() {
    return this.track?.getSettings().latency ?? 0;
  }

  get outlag() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  close() {
    this.silence();
    return this.context.close();
  }
}
