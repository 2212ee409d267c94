
// ---- the page

(function () {
  if (typeof document === "undefined") return;
  const surfaces = JSON.parse(document.getElementById("numbers").content.textContent);
  const at = (id) => document.getElementById(id);
  const plane = at("plane"), curve = at("curve");
  const SIDE = plane.width, INK = "#1f2933", PATH = "#d55e00", CALM = "#0072b2", STEPS = 4000;
  let surface, state, random, losses, picture, low, high, timer = null;

  // ---- what is chosen

  const chosen = {
    get B() { const N = examplesOf(surface); return Math.min(2 ** Number(at("batch").value), N); },
    get lr() { return 10 ** Number(at("lr").value); },
    get momentum() { return Number(at("momentum").value); },
  };

  function begin(start) {
    random = generator(1);
    state = { w: start.slice(), v: [0, 0], steps: 0, path: [start.slice()] };
    losses = [fullLossAndGradient(surface, state.w).loss];
    show();
  }

  function choose(name) {
    surface = surfaces[name];
    const most = Math.ceil(Math.log2(examplesOf(surface)));
    at("batch").max = most;
    at("batch").value = Math.min(at("batch").value, most);
    const limit = stabilityLimit(eigen(hessian(surface, surface.center)).values[0], 0);
    const middle = Number.isFinite(limit) ? Math.log10(limit) : -0.5;
    at("lr").min = middle - 2.5; at("lr").max = middle + 0.6; at("lr").value = middle - 0.7;
    paintSurface();
    begin(surface.start);
  }

  function advance() {
    step(state, batchGradient(surface, state, chosen.B, random), chosen.lr, chosen.momentum);
    state.path.push(state.w.slice());
    losses.push(fullLossAndGradient(surface, state.w).loss);
    const gone = state.w.some((value, k) => Math.abs(value - surface.center[k]) > 4 * surface.span);
    if (gone || state.steps >= STEPS) stop();
  }

  function stop() { clearInterval(timer); timer = null; at("run").textContent = "Run"; }

  function run() {
    if (timer) { stop(); return; }
    at("run").textContent = "Pause";
    timer = setInterval(() => { advance(); show(); }, 40);
  }

  // ---- the surface: bands of equal ratio, painted once

  const toPixel = (w) => [
    ((w[0] - surface.center[0]) / surface.span + 1) / 2 * SIDE,
    (1 - (w[1] - surface.center[1]) / surface.span) / 2 * SIDE,
  ];
  const toWeight = (p) => [
    surface.center[0] + (2 * p[0] / SIDE - 1) * surface.span,
    surface.center[1] + (1 - 2 * p[1] / SIDE) * surface.span,
  ];

  function paintSurface() {
    const cells = 140, values = [];
    for (let j = 0; j < cells; j++)
      for (let i = 0; i < cells; i++)
        values.push(fullLossAndGradient(surface, toWeight([(i + 0.5) * SIDE / cells, (j + 0.5) * SIDE / cells])).loss);
    low = Math.min(...values); high = Math.max(...values);
    picture = document.createElement("canvas");
    picture.width = picture.height = cells;
    const context = picture.getContext("2d"), image = context.createImageData(cells, cells), bands = 16;
    values.forEach((value, n) => {
      const share = Math.log1p(99 * (value - low) / (high - low)) / Math.log(100);
      const light = 250 - 95 * Math.floor(Math.min(share, 0.999) * bands) / bands;
      image.data.set([light - 28, light - 8, light + 4, 255], 4 * n);
    });
    context.putImageData(image, 0, 0);
  }

  function drawPlane() {
    const context = plane.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, SIDE, SIDE);
    cross(context, toPixel(surface.center));
    context.lineWidth = 2.5; context.strokeStyle = PATH; context.lineJoin = "round";
    context.beginPath();
    state.path.slice(-600).map(toPixel).forEach((p, n) => (n ? context.lineTo(...p) : context.moveTo(...p)));
    context.stroke();
    drawNoise(context);
    dot(context, toPixel(state.w), 8, PATH);
  }

  function drawNoise(context) {
    const { gradient } = fullLossAndGradient(surface, state.w);
    const next = state.w.map((w, k) => w - chosen.lr * (chosen.momentum * state.v[k] + gradient[k]));
    const { values, angle } = eigen(noiseOfBatch(surface, state.w, chosen.B));
    const scale = chosen.lr * Math.sqrt(2.28) * SIDE / (2 * surface.span); // χ² of two: 68% lie within √2.28 s.d.
    const [x, y] = toPixel(next), radii = values.map((value) => scale * Math.sqrt(Math.max(value, 0)));
    if (!Number.isFinite(x + y + radii[0])) return;
    context.strokeStyle = CALM; context.lineWidth = 2.5;
    context.beginPath();
    context.ellipse(x, y, Math.min(radii[0], 4 * SIDE), Math.min(radii[1], 4 * SIDE), -angle, 0, 2 * Math.PI);
    context.stroke();
  }

  function dot(context, p, radius, colour) {
    context.fillStyle = colour; context.beginPath(); context.arc(p[0], p[1], radius, 0, 2 * Math.PI); context.fill();
  }

  function cross(context, p) {
    context.strokeStyle = INK; context.lineWidth = 2; context.beginPath();
    context.moveTo(p[0] - 8, p[1]); context.lineTo(p[0] + 8, p[1]);
    context.moveTo(p[0], p[1] - 8); context.lineTo(p[0], p[1] + 8); context.stroke();
  }

  // ---- the curve: loss above its lowest on the picture, on a logarithmic axis

  function drawCurve() {
    const context = curve.getContext("2d"), W = curve.width, H = curve.height;
    context.fillStyle = "#ffffff"; context.fillRect(0, 0, W, H);
    context.fillStyle = INK; context.font = "22px system-ui, sans-serif";
    context.fillText("loss against steps", 14, 30);
    const top = Math.log10(Math.max(high, ...losses.filter(Number.isFinite))), floor = Math.log10(Math.max(low, high * 1e-6) * 0.9);
    const y = (loss) => H - 34 - (Math.log10(Math.max(loss, 1e-12)) - floor) / (top - floor) * (H - 84);
    const x = (n) => 14 + n / Math.max(losses.length - 1, 60) * (W - 28);
    context.strokeStyle = "#c3cad1"; context.lineWidth = 1.5; context.setLineDash([6, 6]);
    context.beginPath(); context.moveTo(14, y(low)); context.lineTo(W - 14, y(low)); context.stroke(); context.setLineDash([]);
    context.strokeStyle = PATH; context.lineWidth = 3; context.beginPath();
    losses.forEach((loss, n) => Number.isFinite(loss) && (n ? context.lineTo(x(n), y(loss)) : context.moveTo(x(n), y(loss))));
    context.stroke();
    context.fillText(`${losses.length - 1} steps`, 14, H - 8);
  }

  // ---- the numbers

  const digits = (value) => (Number.isFinite(value) ? Number(value.toPrecision(3)).toString() : "∞");

  function show() {
    drawPlane(); drawCurve();
    const N = examplesOf(surface), full = chosen.B >= N;
    at("batch-shown").textContent = full ? `full (${N})` : chosen.B;
    at("lr-shown").textContent = digits(chosen.lr);
    at("momentum-shown").textContent = digits(chosen.momentum);
    const lambda = eigen(hessian(surface, state.w)).values[0], limit = stabilityLimit(lambda, chosen.momentum);
    const { loss, gradient } = fullLossAndGradient(surface, state.w);
    const noise = noiseOfBatch(surface, state.w, chosen.B), over = chosen.lr > limit;
    at("limit").className = over ? "over" : "";
    at("limit").textContent = over
      ? `Unstable here: the learning rate ${digits(chosen.lr)} is above ${digits(limit)}.`
      : `Stable here: the learning rate ${digits(chosen.lr)} is below ${digits(limit)}.`;
    const facts = {
      "steps": `${state.steps}, ${digits(state.steps * chosen.B / N)} epochs`,
      "loss of all examples": digits(loss),
      "|gradient|": digits(Math.hypot(...gradient)),
      "λmax": digits(lambda),
      "2/λmax": digits(stabilityLimit(lambda, 0)),
      "s.d. of a batch's gradient": digits(Math.sqrt(Math.max(noise[0][0] + noise[1][1], 0))),
    };
    at("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name; text.textContent = value;
      return [term, text];
    }));
    plane.setAttribute("aria-label", `The loss over two weights: ${digits(loss)} after ${state.steps} steps, at ${state.w.map(digits).join(", ")}`);
  }

  // ---- what is done to it

  at("surface").addEventListener("change", (event) => { stop(); choose(event.target.value); });
  for (const id of ["batch", "lr", "momentum"]) at(id).addEventListener("input", () => { state.order = null; show(); });
  at("run").addEventListener("click", run);
  at("once").addEventListener("click", () => { stop(); advance(); show(); });
  at("again").addEventListener("click", () => { stop(); begin(surface.start); });
  plane.addEventListener("click", (event) => {
    const box = plane.getBoundingClientRect();
    surface.start = toWeight([(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE]);
    stop(); begin(surface.start);
  });
  choose(at("surface").value);
})();
