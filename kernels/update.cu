// Optimizer updates: a textbook formula on flat vectors, every operand read once and written once.
//
// A model is a point in R^P and R of them train side by side, so an update knows nothing of layers:
//
//   w       (R, P)   parameters
//   g       (R, P)   gradient of the mean loss, only read
//   lr      (R)      learning rate; in device memory, so that a recorded graph sees a schedule move
//   v m s   (R, P)   what the optimizer remembers
//   t, correction, eps_hat   ()   float64, of Adam: the updates done, and two numbers that derive from them
//
// launch   grid (ceil(P / (BLOCK * ELEMENTS)), R)   block BLOCK
// moves    bytes a parameter in float32: sgd 12, momentum and nesterov 20, rmsprop 20, adam 28
//
// There is nothing to reuse, so memory bandwidth is the floor and the only craft is to keep many loads in
// flight: a thread takes ELEMENTS parameters a whole block apart. Neighbouring threads then touch neighbouring
// addresses whatever P is, which vector loads could not promise for row r > 0 of an odd P.
//
// macros   REAL (float or double)   BLOCK   ELEMENTS

#define FOR_EVERY_PARAMETER(i)                                                              \
  const long long row = (long long)blockIdx.y * P;                                          \
  const long long first = (long long)blockIdx.x * (BLOCK * ELEMENTS) + threadIdx.x;         \
  _Pragma("unroll") for (int e = 0; e < ELEMENTS; e++)                                      \
    if (const long long p = first + e * BLOCK, i = row + p; p < P)

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
sgd(REAL* __restrict__ w, const REAL* __restrict__ g, const REAL* __restrict__ lr, long long P, REAL decay) {
  const REAL rate = lr[blockIdx.y];
  FOR_EVERY_PARAMETER(i) w[i] -= rate * (g[i] + decay * w[i]);
}

// v <- mu v + g      w <- w - lr v                                      (Polyak 1964)
extern "C" __global__ void __launch_bounds__(BLOCK)
momentum(REAL* __restrict__ w, REAL* __restrict__ v, const REAL* __restrict__ g, const REAL* __restrict__ lr,
         long long P, REAL mu, REAL decay) {
  const REAL rate = lr[blockIdx.y];
  FOR_EVERY_PARAMETER(i) {
    const REAL velocity = mu * v[i] + (g[i] + decay * w[i]);
    v[i] = velocity;
    w[i] -= rate * velocity;
  }
}

// v <- mu v + g      w <- w - lr (g + mu v)                             (Sutskever et al. 2013)
extern "C" __global__ void __launch_bounds__(BLOCK)
nesterov(REAL* __restrict__ w, REAL* __restrict__ v, const REAL* __restrict__ g, const REAL* __restrict__ lr,
         long long P, REAL mu, REAL decay) {
  const REAL rate = lr[blockIdx.y];
  FOR_EVERY_PARAMETER(i) {
    const REAL slope = g[i] + decay * w[i];
    const REAL velocity = mu * v[i] + slope;
    v[i] = velocity;
    w[i] -= rate * (slope + mu * velocity);
  }
}

// s <- alpha s + (1 - alpha) g^2      w <- w - lr g / (sqrt(s) + eps)   (Tieleman and Hinton 2012)
extern "C" __global__ void __launch_bounds__(BLOCK)
rmsprop(REAL* __restrict__ w, REAL* __restrict__ s, const REAL* __restrict__ g, const REAL* __restrict__ lr,
        long long P, REAL alpha, REAL beta /* 1 - alpha, rounded once on the host */, REAL eps, REAL decay) {
  const REAL rate = lr[blockIdx.y];
  FOR_EVERY_PARAMETER(i) {
    const REAL slope = g[i] + decay * w[i];
    const REAL square = alpha * s[i] + beta * (slope * slope);
    s[i] = square;
    w[i] -= rate * (slope / (sqrt(square) + eps));
  }
}

// s as above      v <- mu v + g / (sqrt(s) + eps)      w <- w - lr v;   28 bytes a parameter
extern "C" __global__ void __launch_bounds__(BLOCK)
rmsprop_momentum(REAL* __restrict__ w, REAL* __restrict__ s, REAL* __restrict__ v, const REAL* __restrict__ g,
                 const REAL* __restrict__ lr, long long P, REAL alpha, REAL beta, REAL eps, REAL mu, REAL decay) {
  const REAL rate = lr[blockIdx.y];
  FOR_EVERY_PARAMETER(i) {
    const REAL slope = g[i] + decay * w[i];
    const REAL square = alpha * s[i] + beta * (slope * slope);
    const REAL velocity = mu * v[i] + slope / (sqrt(square) + eps);
    s[i] = square;
    v[i] = velocity;
    w[i] -= rate * velocity;
  }
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
     long long P, REAL beta1, REAL rest1 /* 1 - beta1 */, REAL beta2, REAL rest2 /* 1 - beta2 */, REAL decay) {
  const REAL step = (REAL)*correction * lr[blockIdx.y], eps = (REAL)*eps_hat;
  FOR_EVERY_PARAMETER(i) adam_update(w[i], m[i], v[i], g[i] + decay * w[i], step, eps, beta1, rest1, beta2, rest2);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
adamw(REAL* __restrict__ w, REAL* __restrict__ m, REAL* __restrict__ v, const REAL* __restrict__ g,
      const REAL* __restrict__ lr, const double* __restrict__ correction, const double* __restrict__ eps_hat,
      long long P, REAL beta1, REAL rest1, REAL beta2, REAL rest2, REAL shrink) {
  const REAL step = (REAL)*correction * lr[blockIdx.y], eps = (REAL)*eps_hat;
  const REAL keep = 1 - lr[blockIdx.y] * shrink;
  FOR_EVERY_PARAMETER(i) {
    w[i] *= keep;
    adam_update(w[i], m[i], v[i], g[i], step, eps, beta1, rest1, beta2, rest2);
  }
}
