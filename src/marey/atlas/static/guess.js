// The guess page: asks, scores against chance, and saves the answers as a file. Nothing is sent anywhere.
"use strict";
(() => {
  const set = window.mareyQuestions;
  const page = document.querySelector("[data-guess]");
  if (!set || !page) return;
  const one = (selector, place = page) => place.querySelector(selector);
  const parts = Object.fromEntries([...page.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  const KINDS = { preferred: ["Preferred inputs", "preferred input"], clip: ["Real clips", "real clip"] };
  const begin = one("[data-begin]"), ask = parts.ask, choices = one("[data-choices]"), next = one("[type=submit]", ask);
  const frames = [...one("[data-films]").children];
  const SEEN = `marey-guess-${set.id}`; // names under which the answers were seen in this browser
  let name = "", game = "", fresh = true, order = [], answers = [], since = 0, saved = true;

  const make = (tag, words = "", className = "") => {
    const node = document.createElement(tag);
    if (words !== "") node.textContent = words;
    if (className) node.className = className;
    return node;
  };
  const named = (tag, before, value) => {
    const node = make(tag, before);
    node.append(make("bdi", value));
    return node;
  };
  const wrapping = (value) => { // between the words of squat_low_bar
    const node = make("bdi");
    node.append(...value.split(/(?<=_)/).flatMap((part) => [part, make("wbr")]));
    return node;
  };
  const show = (part) => {
    for (const [key, node] of Object.entries(parts)) node.hidden = key !== part;
    scrollTo(0, 0);
  };
  const seen = () => {
    try { return JSON.parse(localStorage.getItem(SEEN) || "[]"); } catch { return []; }
  };
  const shuffled = (list) => {
    const mixed = [...list];
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = Math.floor(Math.random() * (last + 1));
      [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
    }
    return mixed;
  };
  const picture = (film, words) => {
    const node = make("img");
    node.alt = words;
    node.src = film.src;
    return node;
  };
  const fill = (box, film, words) => {
    box.hidden = !film;
    box.replaceChildren();
    if (!film) return;
    box.style.setProperty("--frames", film.frames);
    box.style.setProperty("--ratio", film.ratio);
    box.classList.toggle("loop", film.frames > 1);
    box.append(picture(film, words));
  };

  // asking: preferred inputs before real clips, which would show what the actions look like; each in random order
  const start = () => {
    name = begin.elements.name.value.trim();
    game = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    fresh = !seen().includes(name.toLowerCase());
    order = Object.keys(KINDS).flatMap((kind) => shuffled(set.questions.filter((question) => question.kind === kind)).slice(0, set.most));
    answers = [];
    put();
  };
  const put = () => {
    const question = order[answers.length], after = order[answers.length + 1];
    const kind = KINDS[question.kind][1];
    one("[data-title]").textContent = `Question ${answers.length + 1} of ${order.length}: which action is this?`;
    one("[data-what]").textContent = `A ${kind}: ${question.films.map((film) => film.shows).join(", and ")}`;
    frames.forEach((box, place) => fill(box, question.films[place], `The ${kind} to name, a loop: ${question.films[place]?.shows}`));
    choices.replaceChildren(...question.choices.map((choice, place) => {
      const label = make("label", "", "choice"), input = make("input");
      Object.assign(input, { type: "radio", name: "choice", value: String(place) });
      label.append(input, make("kbd", String(place + 1)), wrapping(choice));
      return label;
    }));
    next.disabled = true;
    show("ask");
    one("[data-title]").focus({ preventScroll: true });
    for (const film of after ? after.films : []) new Image().src = film.src;
    since = performance.now();
  };
  const choose = (place) => {
    const inputs = choices.querySelectorAll("input");
    if (!inputs[place]) return;
    inputs[place].checked = true;
    inputs[place].focus({ preventScroll: true });
    next.disabled = false;
  };
  const answer = () => {
    const chosen = one(":checked", choices), question = order[answers.length];
    if (!chosen || !question) return;
    const seconds = Math.round((performance.now() - since) / 100) / 10;
    answers.push({ question, answer: question.choices[Number(chosen.value)], seconds });
    saved = false;
    if (answers.length < order.length) put(); else finish();
  };

  // chance: the exact binomial distribution
  const tail = (right, asked, share) => { // how often `right` or more of `asked` are right
    let sum = 0, ways = 1;
    for (let count = asked; count >= right; count--) {
      sum += ways * share ** count * (1 - share) ** (asked - count);
      ways *= count / (asked - count + 1);
    }
    return Math.min(1, sum);
  };
  const solved = (fits) => {
    let low = 0, high = 1;
    for (let step = 0; step < 50; step++) {
      const middle = (low + high) / 2;
      if (fits(middle)) low = middle; else high = middle;
    }
    return low;
  };
  const interval = (right, asked) => [
    right === 0 ? 0 : solved((share) => tail(right, asked, share) < 0.025),
    right === asked ? 1 : solved((share) => 1 - tail(right + 1, asked, share) > 0.025),
  ];
  const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
  const rare = (share) => (share < 0.001 ? "less than 0.1\u00a0%" : share < 0.1 ? `${(100 * share).toFixed(1)}\u00a0%` : percent(share));

  // the end: what is right is decoded only here
  const truth = () => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(window.mareyTruth), (letter) => letter.charCodeAt(0))));
  const finish = () => {
    const { right, others } = truth();
    try { localStorage.setItem(SEEN, JSON.stringify([...new Set([...seen(), name.toLowerCase()])])); } catch { /* a private window */ }
    const rows = [], sentences = [];
    for (const [kind, [title, single]] of Object.entries(KINDS)) {
      const given = answers.filter((answer) => answer.question.kind === kind);
      if (!given.length) continue;
      const asked = given.length, chance = 1 / given[0].question.choices.length;
      const count = given.filter((answer) => answer.answer === right[answer.question.id].right).length;
      const [low, high] = interval(count, asked), luck = tail(count, asked, chance);
      sentences.push(make("p", `You named ${count} of ${asked} ${single}s: ${percent(count / asked)}, 95\u00a0% interval ${Math.round(100 * low)} to ${Math.round(100 * high)}. By chance 1 in ${Math.round(1 / chance)} is right; as many or more are guessed in ${rare(luck)} of games.`));
      const head = make("tr", "", "group");
      head.append(make("th", title));
      rows.push(head, row("You", count, asked, chance, "own"));
      for (const other of others) {
        const known = given.filter((answer) => answer.question.id in other.answers);
        const hits = known.filter((answer) => other.answers[answer.question.id] === right[answer.question.id].right).length;
        if (known.length) rows.push(row(other.name + (other.independent ? "" : " *"), hits, known.length, chance, ""));
      }
    }
    const strange = answers.filter((answer) => right[answer.question.id].right !== right[answer.question.id].unit_class).length;
    if (strange) sentences.push(make("p", `${strange === 1 ? "One clip shows another class than the class of the unit it drives" : `${strange} clips show another class than the class of the unit they drive`} most; what a clip shows counts as right.`, "hint"));
    one("[data-sentences]").replaceChildren(...sentences);
    const table = one("[data-scores]");
    table.replaceChildren(table.caption, ...rows);
    one("[data-marks]").textContent = others.some((other) => !other.independent) ? "* the network whose units are shown: no independent judge" : "";
    one("[data-review]").replaceChildren(...answers.map((answer) => review(answer, right[answer.question.id], others)));
    show("end");
    one("[data-verdict]").focus({ preventScroll: true });
  };
  const row = (who, count, asked, chance, className) => {
    const [low, high] = interval(count, asked);
    const node = make("tr", "", className), track = make("td", "", "track"), range = make("span", "", "range");
    range.style.cssText = `left:${100 * low}%;right:${100 * (1 - high)}%`;
    const dot = make("span", "", "dot"), line = make("span", "", "chance");
    dot.style.left = `${(100 * count) / asked}%`;
    line.style.left = `${100 * chance}%`;
    track.append(range, line, dot);
    const head = named("th", "", who);
    head.scope = "row";
    node.append(head, track, make("td", `${count} of ${asked}`, "value"), make("td", `${percent(count / asked)} [${Math.round(100 * low)}, ${Math.round(100 * high)}]`, "value"));
    return node;
  };
  const review = (answer, told, others) => {
    const node = make("li"), films = make("div", "", "films");
    answer.question.films.forEach((film) => {
      const box = make("span", "", "film seen");
      fill(box, film, "");
      box.firstChild.loading = "lazy";
      films.append(box);
    });
    const correct = answer.answer === told.right;
    const link = named("a", "", told.right), verdict = make("p", correct ? "\u2713 " : "\u2717 ");
    link.href = told.page;
    verdict.append(link, make("span", correct ? " is right" : ", you said "));
    if (!correct) verdict.append(make("bdi", answer.answer));
    node.append(films, verdict);
    if (told.unit_class !== told.right) node.append(named("p", "drives the unit of ", told.unit_class));
    for (const other of others) {
      if (!(answer.question.id in other.answers)) continue;
      const line = named("p", `${other.name} said `, other.answers[answer.question.id]);
      line.className = "said";
      node.append(line);
    }
    return node;
  };

  const save = () => {
    const { right } = truth();
    const file = {
      format: 1, questions: set.id, network: set.network, weights: set.weights, by: "person", name, game, independent: fresh,
      answers: answers.map(({ question, answer, seconds }) => ({
        question: question.id, kind: question.kind, unit: right[question.id].unit, unit_class: right[question.id].unit_class,
        right: right[question.id].right, choices: question.choices, answer, seconds,
      })),
    };
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1) + "\n"], { type: "application/json" }));
    link.download = `guesses-${game.slice(0, 8)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = true;
  };

  const warn = () => { one("[data-again]").hidden = !seen().includes(begin.elements.name.value.trim().toLowerCase()); };
  begin.hidden = false;
  begin.addEventListener("input", warn);
  begin.addEventListener("submit", (event) => { event.preventDefault(); start(); });
  ask.addEventListener("submit", (event) => { event.preventDefault(); answer(); });
  choices.addEventListener("change", () => { next.disabled = false; });
  one("[data-stop]").addEventListener("click", () => { if (answers.length) finish(); else show("start"); });
  one("[data-save]").addEventListener("click", save);
  one("[data-replay]").addEventListener("click", () => { warn(); show("start"); });
  addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
  addEventListener("keydown", (event) => {
    if (ask.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[1-9]$/.test(event.key)) choose(Number(event.key) - 1);
    else if (event.key === "Enter" && event.target === one("[data-title]")) answer();
  });
  warn();
})();
