/* Asks every two seconds whether there is news, and takes the new contents in without losing the reader's place. */
let version = "";
async function refresh() {
  try {
    const answer = await fetch(location.pathname, { headers: version ? { "If-None-Match": version } : {} });
    if (answer.status === 200 && version) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const chosen = all(".switch :checked").map((input) => `[name="${input.name}"].${input.className}`);
      hide();
      document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
      for (const selector of chosen) {
        const input = document.querySelector(selector);
        if (input) input.checked = true;
      }
      begin();
    }
    version = answer.headers.get("ETag") || version;
    setTimeout(refresh, 2000);
  } catch {
    document.querySelector("main > .over").textContent += " · no longer served; this page stays as it is";
  }
}
refresh();
