// What pages can do while `marey serve` gives them: make a preferred input, explain a clip, watch, cancel.
"use strict";
(() => {
  const token = document.querySelector('meta[name="marey-live"]').content;
  const one = (selector, place = document) => place.querySelector(selector);
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const lost = "The server does not answer: it was ended, or is out of reach. What was finished is kept.";

  const post = async (address, body) => {
    try {
      const answer = await fetch(address, { method: "POST", headers: { "X-Marey-Token": token }, body });
      return answer.ok ? await answer.json() : { line: await answer.text() };
    } catch {
      return { line: lost };
    }
  };

  // the way to the page where clips are sent
  const bar = one("header.bar");
  if (bar && !location.pathname.startsWith("/explain")) {
    bar.insertBefore(make("a", { className: "to-explain", href: "/explain" }, "Explain", make("span", { textContent: " a clip" })), one("[data-play]", bar));
  }

  // a job: its state, its pictures, and the button that ends it; `told` is given every state
  const watch = (place, job, ended, told = () => {}) => {
    const said = make("p", { className: "said" });
    said.setAttribute("role", "status");
    const numbers = make("p", { className: "hint numbers" });
    const bar = make("progress", { max: 1 });
    bar.setAttribute("aria-label", "progress");
    const cancel = make("button", { type: "button", textContent: "Cancel" });
    const pictures = make("div", { className: "stagebox forming" });
    const row = make("div", { className: "ask" }, bar, cancel);
    place.replaceChildren(said, row, numbers, pictures);
    cancel.addEventListener("click", async () => {
      cancel.disabled = true;
      const answer = await post(`/live/jobs/${job}/cancel`);
      if (answer.line) said.textContent = answer.line;
    });
    const events = new EventSource(`/live/jobs/${job}/events`);
    const stop = (line) => { events.close(); row.hidden = true; numbers.hidden = true; said.textContent = line; };
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) { stop(lost); ended("lost"); }
    });
    events.addEventListener("message", (event) => {
      const state = JSON.parse(event.data);
      const what = state.state === "waiting" ? "Waiting: one task is done at a time." : sentence(state.what);
      if (said.textContent !== what) said.textContent = what;
      if (state.total) bar.value = state.done / state.total; else bar.removeAttribute("value");
      numbers.textContent = [
        state.state === "waiting" ? `${state.before} before this one` : state.total ? `${state.done} of ${state.total}` : "",
        state.note,
        state.left === null ? "" : state.left < 90 ? `about ${state.left} s left` : `about ${Math.round(state.left / 60)} min left`,
      ].filter(Boolean).join(", ");
      if (!state.shown) draw(pictures, state.pictures); // else they stand on the page
      told(state);
      if (state.state === "done") { stop("Done."); ended("done"); }
      if (state.state === "failed") { stop(sentence(state.line)); said.className = "said remark"; ended("failed"); }
      if (state.state === "cancelled") { stop(state.shown ? "Cancelled. The result is kept; some other pages do not show it yet." : "Cancelled."); pictures.replaceChildren(); ended("cancelled"); }
    });
  };
  const sentence = (text) => {
    const line = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.?!]$/.test(line) ? line : line + ".";
  };

  // pictures are loaded before they take the place of the last ones, so that nothing flickers
  const draw = (place, pictures) => {
    const now = pictures.map((picture) => picture.address).join(" ");
    if (!pictures.length || place.dataset.now === now || place.dataset.next) return;
    place.dataset.next = now;
    const groups = new Map();
    const loaded = pictures.map((picture) => {
      const image = make("img", { src: picture.address, alt: `${picture.shows}, ${picture.group}`, width: picture.width * picture.frames, height: picture.height });
      const film = make("span", { className: picture.frames > 1 ? "film loop seen" : "film" }, image);
      film.style.setProperty("--frames", picture.frames);
      film.style.setProperty("--ratio", `${picture.width}/${picture.height}`);
      if (!groups.has(picture.group)) groups.set(picture.group, []);
      groups.get(picture.group).push(film);
      return image.decode().catch(() => {});
    });
    Promise.all(loaded).then(() => {
      const figures = [...groups].map(([words, films]) => make("figure", {}, make("div", { className: "films" }, ...films), make("figcaption", { textContent: words })));
      place.replaceChildren(...figures);
      place.dataset.now = now;
      delete place.dataset.next;
    });
  };

  // a page that waits for its job
  const waiting = one("[data-job]");
  if (waiting) watch(waiting, waiting.dataset.job, (state) => { if (state === "done") location.reload(); });

  // the page of a unit
  const section = one("[data-preferred-of]");
  if (section) unitPanel(section);
  async function unitPanel(section) {
    const address = section.dataset.preferredOf;
    const there = one("[data-preferred]", section) !== null;
    const panel = make("div", { className: "live" });
    let state;
    try {
      state = await (await fetch(`/live/unit?address=${encodeURIComponent(address)}`)).json();
    } catch {
      return;
    }
    if (there) section.append(panel); else one("h2", section).after(panel);
    if (state.why) {
      panel.append(make("p", { className: "hint", textContent: state.why }));
      return;
    }
    const renew = () => { location.hash = "preferred"; location.reload(); };
    // `here`: whether this page has what the job makes, while other pages are made
    const follow = (job, here) => watch(panel, job, (ended) => {
      if (ended === "done" && !here) renew();
      else panel.append(form());
    }, (state) => { if (state.shown && !here) renew(); });
    const field = (words, input) => make("label", {}, `${words} `, input);
    const form = () => {
      const speeds = make("select", {}, new Option("four, slow to fast (10, 5, 1, 0)", "0,1,5,10"), new Option("two, slow and fast (10, 0)", "0,10"), new Option("one, free (0)", "0"));
      const steps = make("input", { type: "number", min: 1, max: 1024, value: 128, required: true });
      const seed = make("input", { type: "number", min: 0, max: 2147483647, value: there ? 1 : 0, required: true });
      const button = make("button", { type: "submit", className: there ? "" : "main", textContent: there ? "Make it again" : "Make it now" });
      const line = make("p", { className: "remark" });
      line.setAttribute("role", "status");
      const note = there ? "It takes the place of the one above as soon as it is complete. Another seed begins from other noise." : `It is kept in '${state.kept}', and stands on this page from then on.`;
      const settings = make("details", {}, make("summary", { textContent: "Settings" }), make("div", { className: "settings" }, field("slownesses", speeds), field("steps at most", steps), field("seed", seed)));
      const asked = make("form", { className: "make" }, make("div", { className: "ask" }, button, settings), make("p", { className: "hint", textContent: note }), line);
      asked.addEventListener("submit", async (event) => {
        event.preventDefault();
        button.disabled = true;
        const wish = { unit: address, slowness: speeds.value.split(",").map(Number), steps: Number(steps.value), seed: Number(seed.value) };
        const answer = await post("/live/maximize", JSON.stringify(wish));
        button.disabled = false;
        if (answer.job) follow(answer.job, false); else line.textContent = sentence(answer.line);
      });
      return asked;
    };
    if (state.job) follow(state.job, state.shown); else panel.append(form());
  }

  // the page on which clips are sent
  const explain = one("[data-explain]");
  if (explain) {
    const file = one("#clip", explain), line = one("[data-line]", explain), stop = one("[data-stop]", explain);
    const sent = one("[data-sent]", explain), go = one("button[type=submit]", explain);
    const chosen = one("[data-chosen]", explain), find = one("[data-find]", explain), found = one("[data-found]", explain);
    const say = (text) => { line.textContent = text && sentence(text); line.className = text ? "remark" : ""; };
    if (chosen) {
      let latest = 0;
      const list = async () => {
        const number = ++latest;
        const answer = await (await fetch(`/live/clips?find=${encodeURIComponent(find.value)}`)).json();
        if (number !== latest) return; // answers may come in another order
        chosen.replaceChildren(...answer.clips.map((clip) => new Option(clip.label ? `${clip.name} (${clip.label})` : clip.name, clip.number)));
        found.textContent = answer.count > answer.clips.length ? `${answer.count} clips, the first ${answer.clips.length} below` : `${answer.count} clips`;
      };
      find.addEventListener("input", () => list().catch(() => say(lost)));
      chosen.addEventListener("change", () => { file.value = ""; });
      file.addEventListener("change", () => { chosen.selectedIndex = -1; });
      list().catch(() => say(lost));
    }
    explain.addEventListener("submit", (event) => {
      event.preventDefault();
      say("");
      const clip = file.files[0];
      const number = chosen && chosen.selectedIndex >= 0 ? chosen.value : null;
      if (!clip && number === null) return say("Choose a clip first.");
      if (clip && clip.size > Number(explain.dataset.size)) return say(`'${clip.name}' is larger than ${Math.round(explain.dataset.size / 1048576)} MiB; cut it up, or make its frames smaller.`);
      const wish = new URLSearchParams();
      if (one("[data-instead]", explain).value) wish.set("instead", one("[data-instead]", explain).value);
      if (!clip) wish.set("clip", number);
      const request = new XMLHttpRequest(); // which tells how much is sent
      const busy = (is) => { go.disabled = is; stop.hidden = !is; sent.hidden = !is || !clip; };
      request.open("POST", `/live/explain?${wish}`);
      request.setRequestHeader("X-Marey-Token", token);
      if (clip) request.setRequestHeader("X-Marey-Name", encodeURIComponent(clip.name.toWellFormed ? clip.name.toWellFormed() : clip.name));
      request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) sent.value = event.loaded / event.total; });
      request.addEventListener("load", () => {
        busy(false);
        if (request.status === 202) location.href = `/explain/${JSON.parse(request.responseText).job}`;
        else say(request.responseText);
      });
      request.addEventListener("error", () => { busy(false); say(lost); });
      request.addEventListener("abort", () => { busy(false); say("Cancelled. Nothing of it is kept."); });
      stop.onclick = () => request.abort();
      sent.value = 0;
      busy(true);
      request.send(clip || null);
    });
    for (const field of [find, go]) if (field) field.disabled = false; // nothing is asked before this script can answer
  }
})();
