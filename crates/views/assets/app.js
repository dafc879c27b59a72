// Progressive enhancement only: every page works with this file missing.
(() => {
  const root = document.documentElement, KEY = "lb-theme";
  try { const t = localStorage.getItem(KEY); if (t) root.dataset.theme = t; } catch {}
  document.addEventListener("click", (e) => {
    const t = e.target.closest("[data-theme-toggle]");
    if (t) {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem(KEY, root.dataset.theme); } catch {}
    }
    const c = e.target.closest("[data-copy]");
    if (c && navigator.clipboard) {
      const from = c.dataset.copyFrom && document.getElementById(c.dataset.copyFrom);
      navigator.clipboard.writeText(from ? from.textContent : c.dataset.copy).then(() => {
        const live = document.getElementById("live"); if (live) live.textContent = "Copied";
      });
    }
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") document.querySelectorAll("details.menu[open]").forEach((d) => { d.open = false; d.querySelector("summary").focus(); });
    if (e.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
      const s = document.querySelector("[data-search]"); if (s) { e.preventDefault(); s.focus(); }
    }
  });
  // A form is sent once: a second click while the first is under way does nothing.
  document.addEventListener("submit", (e) => {
    if (e.target.method !== "post") return;
    if (e.target.dataset.sent) e.preventDefault(); else e.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((f) => delete f.dataset.sent));
  // The order summary follows the chosen pack; the server recomputes everything on submit.
  document.querySelectorAll("[data-packs]").forEach((f) => f.addEventListener("change", () => {
    const i = f.querySelector("input[name=amount]:checked"); if (!i) return;
    for (const k of ["credits", "price", "after", "lasts"]) {
      const out = document.querySelector(`[data-out=${k}]`); if (out) out.textContent = i.dataset[k];
    }
  }));
  // A page that waits asks again; without script its meta element does the same.
  const wait = document.querySelector("[data-refresh]");
  if (wait) setTimeout(() => location.replace(wait.dataset.refreshTo), wait.dataset.refresh * 1000);
})();
