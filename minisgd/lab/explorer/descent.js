// The formulas of the page. tests/lab/explorer runs this file and holds it against the engine.
"use strict";

// ---- a line through points: f(w) = 1/N Σ (w·x_i − y_i)², exact

function lineLossAndGradient(surface, w, rows) {
  let loss = 0, g0 = 0, g1 = 0;
  for (const i of rows) {
    const x = surface.x[i];
    const error = w[0] * x[0] + w[1] * x[1] - surface.y[i];
    loss += error * error;
    g0 += 2 * error * x[0];
    g1 += 2 * error * x[1];
  }
  return { loss: loss / rows.length, gradient: [g0 / rows.length, g1 / rows.length] };
}

function lineHessian(surface) {
  const H = [[0, 0], [0, 0]], N = surface.x.length;
  for (const x of surface.x)
    for (const i of [0, 1]) for (const j of [0, 1]) H[i][j] += 2 * x[i] * x[j] / N;
  return H;
}

// Covariance of one example's gradient at w, with denominator N − 1.
function lineNoise(surface, w) {
  const N = surface.x.length, all = Array.from({ length: N }, (_, i) => i);
  const mean = lineLossAndGradient(surface, w, all).gradient;
  const C = [[0, 0], [0, 0]];
  for (const i of all) {
    const g = lineLossAndGradient(surface, w, [i]).gradient;
    for (const a of [0, 1]) for (const b of [0, 1]) C[a][b] += (g[a] - mean[a]) * (g[b] - mean[b]) / (N - 1);
  }
  return C;
}

// ---- a plane: loss and slope at the places of a grid, linear between them

function interpolate(surface, w, read) {
  const last = surface.loss.length - 1;
  const place = (value) => Math.min(Math.max((value / surface.reach + 1) / 2 * last, 0), last - 1e-9);
  const u = place(w[0]), v = place(w[1]), i = Math.floor(u), j = Math.floor(v), s = u - i, t = v - j;
  return (1 - s) * ((1 - t) * read(i, j) + t * read(i, j + 1)) + s * ((1 - t) * read(i + 1, j) + t * read(i + 1, j + 1));
}

function planeLossAndGradient(surface, w) {
  return {
    loss: interpolate(surface, w, (i, j) => surface.loss[i][j]),
    gradient: [0, 1].map((k) => interpolate(surface, w, (i, j) => surface.slope[i][j][k])),
  };
}

function planeHessian(surface, w) {
  const h = 2 * surface.reach / (surface.loss.length - 1), H = [[0, 0], [0, 0]];
  for (const j of [0, 1]) {
    const up = w.slice(), down = w.slice();
    up[j] += h; down[j] -= h;
    const a = planeLossAndGradient(surface, up).gradient, b = planeLossAndGradient(surface, down).gradient;
    for (const i of [0, 1]) H[i][j] = (a[i] - b[i]) / (2 * h);
  }
  const off = (H[0][1] + H[1][0]) / 2;
  return [[H[0][0], off], [off, H[1][1]]];
}

// ---- both

function examplesOf(surface) { return surface.kind === "line" ? surface.x.length : surface.examples; }
function hessian(surface, w) { return surface.kind === "line" ? lineHessian(surface) : planeHessian(surface, w); }
function noiseOfOne(surface, w) { return surface.kind === "line" ? lineNoise(surface, w) : surface.noise; }

// Of a batch of B drawn without replacement: C/B, less what is left out of chance when B is nearly all, 1 − B/N.
function noiseOfBatch(surface, w, B) {
  const factor = (1 - B / examplesOf(surface)) / B;
  return noiseOfOne(surface, w).map((row) => row.map((value) => value * factor));
}

function fullLossAndGradient(surface, w) {
  if (surface.kind === "plane") return planeLossAndGradient(surface, w);
  return lineLossAndGradient(surface, w, surface.x.map((_, i) => i));
}

// Eigenvalues of a symmetric 2 × 2 matrix, the larger first, and the angle of its axis.
function eigen(A) {
  const mean = (A[0][0] + A[1][1]) / 2, half = (A[0][0] - A[1][1]) / 2, off = A[0][1];
  const root = Math.hypot(half, off);
  return { values: [mean + root, mean - root], angle: Math.atan2(off, half) / 2 };
}

// Largest stable learning rate of descent on a parabola of that curvature: 2 (1 + μ) / λmax.
function stabilityLimit(lambda, momentum) { return lambda > 0 ? 2 * (1 + momentum) / lambda : Infinity; }

// v ← μ v + g    w ← w − lr v
function step(state, gradient, lr, momentum) {
  state.v = state.v.map((v, k) => momentum * v + gradient[k]);
  state.w = state.w.map((w, k) => w - lr * state.v[k]);
  state.steps += 1;
}

// ---- chance

function generator(seed) { // mulberry32: small, and the same on every machine
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(n, random) {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

// The gradient that a batch sees: of its points on the line, with noise of the right covariance on the plane.
function batchGradient(surface, state, B, random) {
  const N = examplesOf(surface);
  if (B >= N) return fullLossAndGradient(surface, state.w).gradient;
  if (surface.kind === "line") {
    if (!state.order || state.order.length < B) state.order = shuffled(N, random);
    return lineLossAndGradient(surface, state.w, state.order.splice(0, B)).gradient;
  }
  const exact = planeLossAndGradient(surface, state.w).gradient;
  const { values, angle } = eigen(noiseOfBatch(surface, state.w, B));
  const z = values.map((value) => Math.sqrt(Math.max(value, 0)) * normal(random));
  return [
    exact[0] + z[0] * Math.cos(angle) - z[1] * Math.sin(angle),
    exact[1] + z[0] * Math.sin(angle) + z[1] * Math.cos(angle),
  ];
}

if (typeof module !== "undefined") {
  module.exports = {
    lineLossAndGradient, lineNoise, fullLossAndGradient, planeLossAndGradient, hessian, noiseOfBatch, eigen, stabilityLimit,
    step, generator, batchGradient,
  };
}
