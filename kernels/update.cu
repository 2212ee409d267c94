// Optimizer updates: a textbook formula on flat vectors, every operand read once and written once.
//
// A model is a point in R^P and R of them train side by side, so an update knows nothing of layers:
//
//   w       (R, P)   parameters
//   g       (R, P)   gradient of the mean loss, only read
//   lr      (R)      learning rate; in device memory, so that a recorded graph sees a schedule move
//   v m s   (R, P)   what the optimizer remembers
//   w_row, g_row, s_row   elements from one replica of w, of g and of what is remembered to the next
//   t, correction, eps_hat   ()   float64, of Adam: the updates done, and two numbers that derive from them
//
// launch   grid (ceil(P / (BLOCK * WIDTH)), R)   block BLOCK
// moves    bytes a parameter in float32: sgd and sign 12, momentum, nesterov and lion 20, rmsprop 20, adam 28,
//          schedule_free_sgd 20 and schedule_free_adamw 28, after interpolate 12
//
// There is nothing to reuse, so memory bandwidth is the floor and the only craft is to keep many loads in
// flight: a thread takes WIDTH neighbouring parameters, 16 bytes a load in float32, where all rows begin on a multiple
// of that (`wide`). Rows of replicas are padded so that they do.
//
// macros   REAL (float or double)   BLOCK   WIDTH

struct __align__(16) Few { REAL at[WIDTH]; };

template <class Formula, class... Each>
__device__ __forceinline__ void for_each(Formula formula, const Few& g, Each&... state) {
#pragma unroll
  for (int e = 0; e < WIDTH; e++) formula(g.at[e], state.at[e]...);
}

// formula(g, state...) for every parameter of this block's replica: g is read, the others are read and written.
template <class Formula, class... State>
__device__ __forceinline__ void update(long long P, int wide, Formula formula, const REAL* g, State*... state) {
  const long long first = ((long long)blockIdx.x * BLOCK + threadIdx.x) * WIDTH;
  if (wide && first + WIDTH <= P) {
    const auto move = [&](Few slope, auto... now) {
      for_each(formula, slope, now...);
      ((*reinterpret_cast<Few*>(state + first) = now), ...);
    };
    move(*reinterpret_cast<const Few*>(g + first), *reinterpret_cast<const Few*>(state + first)...);
  } else {
    for (long long p = first; p < first + WIDTH && p < P; p++) formula(g[p], state[p]...);
  }
}

// t <- t + 1, and the two numbers that undo Adam's start at zero (Kingma and Ba 2015, end of section 2):
//   correction = sqrt(1 - beta2^t) / (1 - beta1^t)      eps_hat = eps sqrt(1 - beta2^t)
// One thread, before the update: the update's blocks run in any order and must all see the same t. Powers in double
// precision cost hundreds of cycles: here they are taken once, not once a parameter.
extern "C" __global__ void adam_bias_correction(double* __restrict__ t, double* __restrict__ correction,
                                     double* __restrict__ eps_hat, double beta1, double beta2, double eps) {
  const double now = *t + 1;
  const double root = sqrt(1 - pow(beta2, now));
  *t = now;
  *correction = root / (1 - pow(beta1, now));
  *eps_hat = eps * root;
}

// w <- w - lr (g + decay w)
extern "C" __global__ void __launch_bounds__(BLOCK)
sgd(REAL* __restrict__ w, const REAL* __restrict__ g, const REAL* __restrict__ lr, long long P, long long w_row,
    long long g_row, int wide, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r];
  const auto formula = [=](REAL g, REAL& w) { w -= rate * (g + decay * w); };
  update(P, wide, formula, g + r * g_row, w + r * w_row);
}

// v <- mu v + g      w <- w - lr v                                      (Polyak 1964)
extern "C" __global__ void __launch_bounds__(BLOCK)
momentum(REAL* __restrict__ w, REAL* __restrict__ v, const REAL* __restrict__ g, const REAL* __restrict__ lr,
         long long P, long long w_row, long long g_row, long long s_row, int wide, REAL mu, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r];
  const auto formula = [=](REAL g, REAL& w, REAL& v) {
    v = mu * v + (g + decay * w);
    w -= rate * v;
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, v + r * s_row);
}

// v <- mu v + g      w <- w - lr (g + mu v)                             (Sutskever et al. 2013)
extern "C" __global__ void __launch_bounds__(BLOCK)
nesterov(REAL* __restrict__ w, REAL* __restrict__ v, const REAL* __restrict__ g, const REAL* __restrict__ lr,
         long long P, long long w_row, long long g_row, long long s_row, int wide, REAL mu, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r];
  const auto formula = [=](REAL g, REAL& w, REAL& v) {
    const REAL slope = g + decay * w;
    v = mu * v + slope;
    w -= rate * (slope + mu * v);
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, v + r * s_row);
}

// NaN stays NaN.
__device__ __forceinline__ REAL sign_of(REAL x) { return x != x ? x : (REAL)((x > 0) - (x < 0)); }

// w <- (1 - lr shrink) w - lr sign(g)                                   (Bernstein et al. 2018, algorithm 1)
extern "C" __global__ void __launch_bounds__(BLOCK)
sign_sgd(REAL* __restrict__ w, const REAL* __restrict__ g, const REAL* __restrict__ lr, long long P, long long w_row,
         long long g_row, int wide, REAL shrink) {
  const int r = blockIdx.y;
  const REAL rate = lr[r], keep = 1 - rate * shrink;
  const auto formula = [=](REAL g, REAL& w) { w = keep * w - rate * sign_of(g); };
  update(P, wide, formula, g + r * g_row, w + r * w_row);
}

// w <- (1 - lr shrink) w - lr sign(ahead m + g)      m <- beta m + (1 - beta) g;   ahead = beta1 / (1 - beta1)
// Lion (Chen et al. 2023, algorithm 2); with beta1 = beta2 it is signSGD with momentum.
extern "C" __global__ void __launch_bounds__(BLOCK)
lion(REAL* __restrict__ w, REAL* __restrict__ m, const REAL* __restrict__ g, const REAL* __restrict__ lr, long long P,
     long long w_row, long long g_row, long long s_row, int wide, REAL ahead, REAL beta, REAL rest /* 1 - beta */,
     REAL shrink) {
  const int r = blockIdx.y;
  const REAL rate = lr[r], keep = 1 - rate * shrink;
  const auto formula = [=](REAL g, REAL& w, REAL& m) {
    w = keep * w - rate * sign_of(ahead * m + g);
    m = beta * m + rest * g;
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, m + r * s_row);
}

// s <- alpha s + (1 - alpha) g^2      w <- w - lr g / (sqrt(s) + eps)   (Tieleman and Hinton 2012)
extern "C" __global__ void __launch_bounds__(BLOCK)
rmsprop(REAL* __restrict__ w, REAL* __restrict__ s, const REAL* __restrict__ g, const REAL* __restrict__ lr,
        long long P, long long w_row, long long g_row, long long s_row, int wide, REAL alpha,
        REAL beta /* 1 - alpha, rounded once on the host */, REAL eps, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r];
  const auto formula = [=](REAL g, REAL& w, REAL& s) {
    const REAL slope = g + decay * w;
    s = alpha * s + beta * (slope * slope);
    w -= rate * (slope / (sqrt(s) + eps));
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, s + r * s_row);
}

// s as above      v <- mu v + g / (sqrt(s) + eps)      w <- w - lr v;   28 bytes a parameter
extern "C" __global__ void __launch_bounds__(BLOCK)
rmsprop_momentum(REAL* __restrict__ w, REAL* __restrict__ s, REAL* __restrict__ v, const REAL* __restrict__ g,
                 const REAL* __restrict__ lr, long long P, long long w_row, long long g_row, long long s_row, int wide,
                 REAL alpha, REAL beta, REAL eps, REAL mu, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r];
  const auto formula = [=](REAL g, REAL& w, REAL& s, REAL& v) {
    const REAL slope = g + decay * w;
    s = alpha * s + beta * (slope * slope);
    v = mu * v + slope / (sqrt(s) + eps);
    w -= rate * v;
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, s + r * s_row, v + r * s_row);
}

// m <- beta1 m + (1 - beta1) g      v <- beta2 v + (1 - beta2) g^2
// w <- w - lr correction m / (sqrt(v) + eps_hat)                        (Kingma and Ba 2015, algorithm 1)
// Coupled decay goes through the moments, g <- g + decay w; decoupled decay shrinks the weights beside them,
// w <- (1 - lr shrink) w (Loshchilov and Hutter 2019). Adam has shrink = 0, AdamW decay = 0.
__device__ __forceinline__ void
adam_update(REAL& w, REAL& m, REAL& v, REAL slope, REAL step, REAL eps_hat, REAL beta1, REAL rest1, REAL beta2,
            REAL rest2) {
  m = beta1 * m + rest1 * slope;
  v = beta2 * v + rest2 * (slope * slope);
  w -= step * (m / (sqrt(v) + eps_hat));
}

extern "C" __global__ void __launch_bounds__(BLOCK)
adam(REAL* __restrict__ w, REAL* __restrict__ m, REAL* __restrict__ v, const REAL* __restrict__ g,
     const REAL* __restrict__ lr, const double* __restrict__ correction, const double* __restrict__ eps_hat,
     long long P, long long w_row, long long g_row, long long s_row, int wide, REAL beta1, REAL rest1 /* 1 - beta1 */,
     REAL beta2, REAL rest2 /* 1 - beta2 */, REAL decay) {
  const int r = blockIdx.y;
  const REAL step = (REAL)*correction * lr[r], eps = (REAL)*eps_hat;
  const auto formula = [=](REAL g, REAL& w, REAL& m, REAL& v) {
    adam_update(w, m, v, g + decay * w, step, eps, beta1, rest1, beta2, rest2);
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, m + r * s_row, v + r * s_row);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
adamw(REAL* __restrict__ w, REAL* __restrict__ m, REAL* __restrict__ v, const REAL* __restrict__ g,
      const REAL* __restrict__ lr, const double* __restrict__ correction, const double* __restrict__ eps_hat,
      long long P, long long w_row, long long g_row, long long s_row, int wide, REAL beta1, REAL rest1, REAL beta2,
      REAL rest2, REAL shrink) {
  const int r = blockIdx.y;
  const REAL step = (REAL)*correction * lr[r], eps = (REAL)*eps_hat, keep = 1 - lr[r] * shrink;
  const auto formula = [=](REAL g, REAL& w, REAL& m, REAL& v) {
    w *= keep;
    adam_update(w, m, v, g, step, eps, beta1, rest1, beta2, rest2);
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, m + r * s_row, v + r * s_row);
}

// Schedule-free (Defazio et al. 2024): w is x, the average of z, and d = z - x; part is 1 - beta.
//
//   total <- total + lr^2      c <- lr^2 / total          (R), c in [0, 1]: the share of the coming z in the average
//
// launch   grid ceil(R / BLOCK)   block BLOCK, before the update: a thread a replica
extern "C" __global__ void __launch_bounds__(BLOCK)
schedule_free_share(REAL* __restrict__ total, REAL* __restrict__ c, const REAL* __restrict__ lr, long long R,
                    long long row /* from one total to the next */, REAL least /* above 0: there may be no lr yet */) {
  const long long r = (long long)blockIdx.x * BLOCK + threadIdx.x;
  if (r >= R) return;
  const REAL weight = lr[r] * lr[r], sum = total[r * row] + weight;
  total[r * row] = sum > least ? sum : least;
  c[r] = weight / total[r * row];
}

// w <- w + part d, before the gradient: from x to y
extern "C" __global__ void __launch_bounds__(BLOCK)
interpolate(REAL* __restrict__ w, const REAL* __restrict__ d, long long P, long long w_row, long long d_row, int wide,
           REAL part) {
  const int r = blockIdx.y;
  update(P, wide, [=](REAL d, REAL& w) { w += part * d; }, d + r * d_row, w + r * w_row);
}

__device__ __forceinline__ void schedule_free_update(REAL& w, REAL& d, REAL step, REAL c, REAL part) {
  w -= part * d;  // from y back to x
  d -= step;       // z <- z - step
  w += c * d;      // x <- (1 - c) x + c z
  d -= c * d;
}

// step = lr (g + decay y)
extern "C" __global__ void __launch_bounds__(BLOCK)
schedule_free_sgd(REAL* __restrict__ w, REAL* __restrict__ d, const REAL* __restrict__ g, const REAL* __restrict__ lr,
                  const REAL* __restrict__ c, long long P, long long w_row, long long g_row, long long s_row, int wide,
                  REAL part, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r], share = c[r];
  const auto formula = [=](REAL g, REAL& w, REAL& d) {
    schedule_free_update(w, d, rate * (g + decay * w), share, part);
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, d + r * s_row);
}

// v <- beta2 v + (1 - beta2) g^2      step = lr (correction g / (sqrt(v) + eps_hat) + decay y);   beta1 is 0 in both
extern "C" __global__ void __launch_bounds__(BLOCK)
schedule_free_adamw(REAL* __restrict__ w, REAL* __restrict__ d, REAL* __restrict__ v, const REAL* __restrict__ g,
                    const REAL* __restrict__ lr, const REAL* __restrict__ c, const double* __restrict__ correction,
                    const double* __restrict__ eps_hat, long long P, long long w_row, long long g_row, long long s_row,
                    int wide, REAL part, REAL beta2, REAL rest2 /* 1 - beta2 */, REAL decay) {
  const int r = blockIdx.y;
  const REAL rate = lr[r], share = c[r], root = (REAL)*correction, eps = (REAL)*eps_hat;
  const auto formula = [=](REAL g, REAL& w, REAL& d, REAL& v) {
    v = beta2 * v + rest2 * (g * g);
    schedule_free_update(w, d, rate * (root * (g / (sqrt(v) + eps)) + decay * w), share, part);
  };
  update(P, wide, formula, g + r * g_row, w + r * w_row, d + r * s_row, v + r * s_row);
}
