// Shows what the server tells of a run: each event is the newest state of one part of the page.

import { LinesFigure, element, picture, worded } from "./draw.js";

const at = (id) => document.getElementById(id);
const figures = new Map();
let subject = null, ended = false, last = null;

function figure(id, text) {
  at(id).textContent = text ?? "";
  at(id).parentElement.hidden = text === null;
}

function duration(seconds) {
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60), hours = Math.floor(minutes / 60);
  if (hours) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return minutes ? `${minutes} min ${String(whole % 60).padStart(2, "0")} s` : `${whole} s`;
}

function state(name, headline) {
  document.body.dataset.state = name;
  if (at("headline").textContent !== headline) at("headline").textContent = headline;
  const running = name === "running";
  at("keep").disabled = at("stop").disabled = !running;
  at("buttons").hidden = !subject?.buttons || ended;
}

const SHOW = {
  subject(own) {
    subject = own;
    at("subject").textContent = at("subject").title = own.data;
    at("output").textContent = at("output").title = own.output;
  },
  status(own) {
    last = own;
    ended = own.state === "ended" || own.state === "failed";
    state(own.state, own.headline);
    if (ended && at("sure").open) at("sure").close("no");
    document.title = `${own.headline} – gpuae`;
    at("outcome").hidden = !ended && !own.lines.length;
    at("outcome").replaceChildren(...own.lines.map((line) => element("p", "", line)));
  },
  progress(own) {
    at("progress").hidden = !own.epochs;
    at("epoch").textContent = `${own.epoch.toLocaleString("en")} of ${own.epochs.toLocaleString("en")}`;
    at("stage").textContent = own.stage ? `epochs, ${own.stage}` : "epochs";
    const seconds = own.seconds;
    figure("loss", own.loss === null ? null : worded(own.loss));
    figure("val-loss", own.val_loss === null ? null : worded(own.val_loss));
    if (!ended) {
      figure("rate", own.rate && Math.round(own.rate).toLocaleString("en"));
      figure("left", own.left === null ? duration(seconds) : duration(own.left));
      at("left-label").textContent = own.left === null ? "so far" : `left, ${duration(seconds)} so far`;
    } else {
      figure("rate", null);
      figure("left", duration(own.seconds));
      at("left-label").textContent = "in all";
    }
    at("bar").value = own.share;
  },
  curves(own) {
    const titles = own.map((panel) => panel.title);
    for (const panel of own) {
      if (!figures.has(panel.title)) figures.set(panel.title, new LinesFigure());
      figures.get(panel.title).show(panel);
    }
    const roots = titles.map((title) => figures.get(title).root);
    const there = [...at("curves").children];
    if (roots.length !== there.length || roots.some((root, place) => root !== there[place])) {
      at("curves").replaceChildren(...roots);
      own.forEach((panel) => figures.get(panel.title).draw());
    }
  },
  weights(own) {
    at("weights").hidden = false;
    at("weights").replaceChildren(...picture(own));
  },
  reconstructions(own) {
    at("reconstructions").hidden = false;
    at("reconstructions").replaceChildren(...picture(own));
  },
  log(own) {
    at("log").hidden = !own.length;
    const list = at("lines"), atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
    list.replaceChildren(...own.map(([seconds, text]) => {
      const line = element("li");
      line.append(element("time", "", duration(seconds)), element("span", "", text));
      line.lastChild.dir = "auto";
      return line;
    }));
    if (atEnd) list.scrollTop = list.scrollHeight;
  },
};

async function press(wish) {
  at("keep").disabled = at("stop").disabled = true;
  try {
    const answer = await fetch(wish, { method: "POST" });
    if (!answer.ok) throw new Error(answer.statusText);
  } catch {
    if (!ended) lost();
  }
}

function lost() {
  if (ended) source.close();
  else state("lost", source.readyState === EventSource.CLOSED ? "Connection lost" : "Connection lost, trying again");
}

const source = new EventSource("events");
source.onerror = lost;
source.addEventListener("end", () => source.close());
source.onopen = () => last && SHOW.status(last);
for (const [name, show] of Object.entries(SHOW)) {
  source.addEventListener(name, (event) => show(JSON.parse(event.data)));
}
at("keep").addEventListener("click", () => press("keep"));
at("stop").addEventListener("click", () => (subject.resumable ? press("stop") : at("sure").showModal()));
at("sure").addEventListener("close", () => at("sure").returnValue === "yes" && press("stop"));
at("sure").addEventListener("cancel", () => (at("sure").returnValue = "no"));
