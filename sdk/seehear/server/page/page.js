// The page: what may be set, and what holds microphone, camera, stream and drawing together.
import { mount } from "./scope.js";
import { Pictures } from "./pictures.js";
import { Sound, untouched } from "./sound.js";

const scope = mount(document);
const by = (name) => document.querySelector(`[name=${name}]`);
const [start, strength, picture, token, microphones, cameras] = ["start", "strength", "picture", "token", "microphone", "camera"].map(by);
const heard = [...document.querySelectorAll("[name=heard]")];
const percent = strength.parentElement.querySelector("output");
const problem = document.querySelector("#problem");

let run = null; // what there is from Start to Stop

// --- from Start to Stop ---

async function begin() {
  complain("");
  const own = (run = { state: "connecting", face: "none", camera: null, events: [], figures: null });
  start.disabled = true;
  tell();
  let media = null;
  try {
    own.sound = await Sound.open();
    media = await devices(own);
    if (run !== own) return stop(media);
    own.sound.from(media, () => lostMicrophone(own));
    await own.sound.context.resume();
    hear();
    const { rate, block, port } = own.sound, address = new URL("v1/stream", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const hello = { rate, block, picture: media.getVideoTracks().length ? "jpeg" : "none", strength: strength.value / 100 };
    if (token.value) hello.token = token.value;
    own.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    own.worker.onmessage = ({ data: [name, what] }) => told[name](own, what);
    own.worker.postMessage({ open: { address: address.href, hello, port } }, [port]);
    see(own, media);
    await list();
  } catch (error) {
    end();
    if (media) stop(media);
    complain(why(error));
  } finally {
    start.disabled = !navigator.mediaDevices;
    show();
  }
}

function end(state = "stopped") {
  const own = run;
  run = null;
  own?.worker?.postMessage({ close: true });
  if (own?.worker) own.worker.onmessage = null;
  own?.pictures?.close();
  own?.camera?.stop();
  own?.sound?.close();
  scope.hidePicture();
  tell(own, state);
  show();
}

// Microphone and camera, or the microphone alone where there is no camera.
async function devices(own) {
  const audio = { ...untouched, ...exactly(microphones) };
  if (!wanted()) return navigator.mediaDevices.getUserMedia({ audio });
  try {
    return await navigator.mediaDevices.getUserMedia({ audio, video: video() });
  } catch (error) {
    const media = await navigator.mediaDevices.getUserMedia({ audio });
    event(own, "camera_failed", `goes on with sound alone: ${why(error, "camera")}`);
    return media;
  }
}

const exactly = ({ value }) => (value ? { deviceId: { exact: value } } : {});
const video = () => ({ width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 }, ...exactly(cameras) });
const wanted = () => cameras.value !== "none" && picture.ariaPressed === "true";
const stop = (media) => media.getTracks().forEach((track) => track.stop());

// The camera of this MediaStream, if there is one.
function see(own, media) {
  own.pictures?.close();
  own.camera?.stop();
  own.pictures = own.camera = null;
  scope.hidePicture();
  const [track] = media?.getVideoTracks() ?? [];
  if (!track) return;
  track.onended = () => {
    event(own, "camera_lost", "the camera is gone: goes on with sound alone");
    see(own, null);
    own.worker.postMessage({ set: { picture: "none" } });
    show();
  };
  own.camera = track;
  const lag = 1000 * own.sound.lag;
  if ("MediaStreamTrackProcessor" in window) {
    const { readable: frames } = new MediaStreamTrackProcessor({ track });
    own.worker.postMessage({ frames, lag }, [frames]);
  } else {
    own.pictures = new Pictures(track, (picture, moment) =>
      own.worker.postMessage({ picture, moment: performance.timeOrigin + moment + lag }, [picture]));
  }
}

// What worker.js tells.
const told = {
  welcome(own, { welcome, resumed }) {
    Object.assign(own, { state: "running", welcome });
    event(own, resumed ? "resumed" : "begun", resumed ? "the stream goes on" : `a stream with ${welcome.model} has begun`);
    complain("");
  },
  draw(own, message) {
    if (typeof message === "string" || own.camera || new Uint8Array(message)[0] !== 1) scope.take(message);
  },
  face: (own, face) => (own.face = face),
  pictured: (own) => own.pictures?.done(),
  figures(own, figures) {
    own.figures = figures;
    tell();
  },
  lost(own, reason) {
    own.state = "no connection";
    complain(`No enhanced sound: ${reason}. It is tried again; till then the sound is untouched.`);
    tell();
  },
  refused(own, { code, reason }) {
    end("refused");
    if (code === "token") {
      token.parentElement.hidden = false;
      token.focus();
      complain(token.value ? `This server does not know the token: ${reason}.` : "This server wants a token: put it in and press Start.");
    } else complain(`The server refuses: ${reason}.`);
  },
  event(own, { kind, reason }) {
    event(own, kind, reason);
    if (kind === "no_pictures") see(own, null);
    show();
  },
};

function lostMicrophone(own) {
  event(own, "mic_lost", "the microphone is gone");
  complain("The microphone is gone: choose another, or plug it in again.");
}

// --- what is told ---

function event(own, kind, reason) {
  own.events.push({ kind, reason, seconds: own.figures?.seconds ?? 0 });
}

function tell(own = run, state = own?.state ?? "not started") {
  const stats = { state, seconds: own?.figures?.seconds ?? 0 };
  if (own?.welcome && own.figures) {
    const { sound, welcome, camera, figures } = own;
    const { width, height } = camera?.getSettings() ?? {};
    const mouth_to_ear = sound.lag + figures.delay + welcome.latency / sound.rate + sound.outlag;
    Object.assign(stats, {
      ...figures.counts, mode: "clean", face: camera ? own.face : "none", runtime: welcome.runtime, timings: figures.timings,
      microphone: { name: sound.track.label || "microphone" }, speaker: { name: `${welcome.model} at ${location.host}` },
      underruns: figures.underruns, margin_ms: 1000 * figures.spare, mouth_to_ear_ms: 1000 * mouth_to_ear,
      ...(camera && { camera: { name: camera.label || "the camera", state: "open", size: [width, height] } }),
    });
  }
  scope.take(JSON.stringify({ kind: "stats", stats, events: own?.events.splice(0) ?? [] }));
}

function complain(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

function why({ name, message }, device = "microphone") {
  return {
    NotAllowedError: `the browser was not allowed to use the ${device}. Allow it in the settings of this site, beside its address, and press Start again.`,
    NotFoundError: `no ${device} was found. Plug one in and press Start again.`,
    NotReadableError: `the ${device} does not open: another program may use it.`,
    OverconstrainedError: `the chosen ${device} is not there any more: choose another.`,
  }[name] ?? `${name}: ${message}`;
}

// --- what is set ---

function show() {
  start.textContent = run ? "Stop" : "Start";
  start.toggleAttribute("data-running", Boolean(run));
  const on = run ? Boolean(run.camera) : picture.ariaPressed === "true";
  picture.ariaPressed = String(on);
  picture.textContent = on ? "Send no pictures" : "Send pictures";
}

function hear() {
  const { value } = heard.find((each) => each.checked);
  run?.sound?.hear(value);
}

async function list() {
  const all = await navigator.mediaDevices.enumerateDevices();
  for (const [select, kind] of [[microphones, "audioinput"], [cameras, "videoinput"]]) {
    const { value } = select;
    [...select.options].filter((each) => each.value && each.value !== "none").forEach((each) => each.remove());
    all.filter((each) => each.kind === kind && each.deviceId && each.deviceId !== "default").forEach((each) =>
      select.options.add(new Option(each.label || kind, each.deviceId)));
    if ([...select.options].some((each) => each.value === value)) select.value = value;
  }
}

async function changeMicrophone() {
  if (!run?.worker) return;
  const own = run;
  try {
    const media = await navigator.mediaDevices.getUserMedia({ audio: { ...untouched, ...exactly(microphones) } });
    if (run !== own) return stop(media);
    own.sound.from(media, () => lostMicrophone(own));
    complain("");
  } catch (error) {
    complain(why(error));
  }
}

async function changeCamera() {
  if (!run?.worker) return show();
  const own = run;
  try {
    see(own, wanted() ? await navigator.mediaDevices.getUserMedia({ video: video() }) : null);
  } catch (error) {
    complain(why(error, "camera"));
  }
  if (run !== own) return own.camera?.stop();
  own.worker.postMessage({ set: { picture: own.camera ? "jpeg" : "none" } });
  show();
}

document.querySelector("form").onsubmit = (submitted) => {
  submitted.preventDefault();
  if (run) end();
  else begin();
};
for (const each of heard) each.onchange = hear;
strength.oninput = () => {
  percent.textContent = `${strength.value} %`;
  run?.worker?.postMessage({ set: { strength: strength.value / 100 } });
};
microphones.onchange = changeMicrophone;
cameras.onchange = () => {
  picture.ariaPressed = String(cameras.value !== "none");
  changeCamera();
};
picture.onclick = () => {
  picture.ariaPressed = String(picture.ariaPressed !== "true");
  if (cameras.value === "none") cameras.value = "";
  changeCamera();
};
addEventListener("pagehide", () => run && end());
document.addEventListener("click", () => run?.sound?.context.resume()); // what the system has paused

if (navigator.mediaDevices) {
  navigator.mediaDevices.ondevicechange = () => {
    list();
    if (run?.sound?.track?.readyState === "ended") changeMicrophone();
  };
  list();
} else {
  start.disabled = true;
  complain(
    `The browser gives microphone and camera only to pages that come over https, or from this computer. Serve with --certificate, or: ` +
      `ssh -L 8800:127.0.0.1:${location.port || 80} ${location.hostname}, and open http://127.0.0.1:8800/ here.`,
  );
}
show();
tell();
