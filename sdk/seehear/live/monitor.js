// The page: a socket, what may be set, and everything else drawn by scope.js.
import { mount } from "./scope.js";

const scope = mount(document);
const modes = [...document.querySelectorAll("[name=mode]")];
const strength = document.querySelector("[name=strength]");
const picture = document.querySelector("[name=picture]");
const percent = strength.parentElement.querySelector("output");

let socket = null;
let wait = 500;
let shows = false;

const send = (order) => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(order));

function connect() {
  const address = new URL("socket" + location.search, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    wait = 500;
    if (shows) send({ picture: true });
  };
  socket.onmessage = ({ data }) => {
    const message = scope.take(data);
    if (message?.kind === "stats") settings(message);
  };
  socket.onclose = ({ reason }) => {
    scope.lost(reason || "no connection");
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, 5000);
  };
}

let sliding = 0; // when it was last moved here: until the answer comes, ours counts
function settings({ mode, strength: value, picture: on, stats }) {
  for (const each of modes) each.checked = each.value === mode;
  if (performance.now() - sliding > 700) show(strength.value = Math.round(100 * value));
  shows = on;
  picture.ariaPressed = String(on);
  picture.textContent = on ? "Hide the picture" : "Show the picture";
  picture.disabled = stats.microphone !== undefined && stats.camera === undefined;
  if (!on) scope.hidePicture();
}
const show = (value) => (percent.textContent = `${value} %`);

for (const each of modes) each.onchange = () => send({ mode: each.value });
strength.oninput = () => {
  sliding = performance.now();
  show(strength.value);
  send({ strength: strength.value / 100 });
};
picture.onclick = () => send({ picture: picture.ariaPressed !== "true" });
connect();
