// Plays films that are in view, and adds the slider, filters, random and copy buttons. Pages work without it.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, place = document) => [...place.querySelectorAll(selector)];
  const one = (selector, place = document) => place.querySelector(selector);

  if (new URLSearchParams(location.search).get("embed") === "1") root.classList.add("embed");

  // motion: off where less motion is asked for, else on; only what is in view plays
  const play = one("[data-play]");
  const films = all(".loop");
  if (play && films.length) {
    let paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const show = () => {
      root.classList.toggle("paused", paused);
      one("[data-word]", play).textContent = paused ? "Play" : "Pause";
    };
    play.hidden = false;
    play.addEventListener("click", () => { paused = !paused; show(); });
    show();
    const watch = new IntersectionObserver((seen) => {
      for (const entry of seen) entry.target.classList.toggle("seen", entry.isIntersecting);
    }, { rootMargin: "80px" });
    for (const film of films) watch.observe(film);
  }

  // slowness: one large figure, and the others as its row
  for (const preferred of all("[data-preferred]")) {
    const slider = one("[data-slider]", preferred);
    if (!slider) continue;
    const figures = all("figure[data-speed]", preferred);
    const input = one("input", slider);
    const choose = () => {
      figures.forEach((figure, place) => figure.classList.toggle("chosen", place === Number(input.value)));
      const words = one("b", figures[Number(input.value)]);
      if (words) input.setAttribute("aria-valuetext", words.textContent);
    };
    input.value = String(Math.max(0, figures.findIndex((figure) => "best" in figure.dataset)));
    input.addEventListener("input", choose);
    figures.forEach((figure, place) => figure.addEventListener("click", () => { input.value = String(place); choose(); }));
    preferred.classList.add("sliding");
    slider.hidden = false;
    choose();
  }

  // random unit of the layer
  const random = one("[data-random]");
  if (random) {
    const count = Number(random.parentElement.dataset.unitsOf);
    if (count > 1) {
      random.hidden = false;
      const draw = () => { random.href = Math.floor(Math.random() * count) + ".html" + location.search; };
      draw();
      random.addEventListener("click", draw);
    }
  }

  // copy a command
  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    });
  }

  // search, filter and sort the units of a layer
  const form = one("[data-filters]");
  const place = one("[data-units]");
  if (form && place) {
    const units = all("[data-unit]", place).map((node, index) => ({
      node,
      index,
      number: Number(node.dataset.unit),
      largest: Number(node.dataset.largest),
      facets: JSON.parse(node.dataset.facets),
      text: node.textContent.toLowerCase(),
    }));
    const text = one("[data-text]", form), sort = one("[data-sort]", form), count = one("[data-count]", form);
    const selects = all("[data-facet]", form);
    const value = (unit, key) => (key === "largest" ? unit.largest : unit.facets[key]);
    const compare = (key) => (a, b) => {
      const x = value(a, key), y = value(b, key);
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || a.number - b.number;
      const order = typeof x === "number" ? y - x : x < y ? -1 : x > y ? 1 : 0;
      return order || a.number - b.number;
    };
    const apply = () => {
      const words = text.value.trim().toLowerCase();
      let shown = 0;
      for (const unit of units) {
        const fits = (!words || unit.text.includes(words) || Object.values(unit.facets).some((word) => String(word).toLowerCase().includes(words)))
          && selects.every((select) => !select.value || unit.facets[select.dataset.facet] === select.value);
        unit.node.hidden = !fits;
        shown += fits;
      }
      count.textContent = shown === units.length ? `${shown} units` : `${shown} of ${units.length} units`;
      one("[data-none]").hidden = shown > 0;
    };
    const order = () => {
      const key = sort.value;
      units.sort(key === "unit" ? (a, b) => a.number - b.number : key ? compare(key) : (a, b) => a.index - b.index);
      place.append(...units.map((unit) => unit.node));
    };
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", apply);
    sort.addEventListener("change", order);
    apply();
    addEventListener("pageshow", () => { // by now a browser that goes back has filled in what was chosen
      if (sort.value) order();
      apply();
    });
  }
})();
