// The CUDA language as kernels see it, for g++.
//
// Included before the text of a kernel file. Every name here is one that NVRTC knows without any #include; the
// meaning is CUDA's, including where C++ differs: max and min of floats ignore NaN, width and mask of shuffles
// are checked. What it takes to run a thread lives behind machine.h.
#pragma once
#include <math.h>
#include <string.h>

#include "machine.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)  // read by the loader, which refuses larger blocks
#define __align__(n) __attribute__((aligned(n)))

// ------------------------------------------------------------------ vector types, aligned as on the device

#define EMULATOR_VECTORS(T, name)                                                         \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                      \
  struct name##3 { T x, y, z; };                                                          \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; };      \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                              \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                      \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMULATOR_VECTORS(signed char, char)
EMULATOR_VECTORS(unsigned char, uchar)
EMULATOR_VECTORS(short, short)
EMULATOR_VECTORS(unsigned short, ushort)
EMULATOR_VECTORS(int, int)
EMULATOR_VECTORS(long long, longlong)
EMULATOR_VECTORS(unsigned long long, ulonglong)
EMULATOR_VECTORS(float, float)
EMULATOR_VECTORS(double, double)
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// ------------------------------------------------------------------ barriers and warps

constexpr int warpSize = 32;

inline void __syncthreads(int line = __builtin_LINE()) { emulator::block_barrier(0, emulator::none, line); }
inline int __syncthreads_count(int p, int line = __builtin_LINE()) { return emulator::block_barrier(p, emulator::count, line); }
inline int __syncthreads_and(int p, int line = __builtin_LINE()) { return emulator::block_barrier(p, emulator::all, line); }
inline int __syncthreads_or(int p, int line = __builtin_LINE()) { return emulator::block_barrier(p, emulator::any, line); }

inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  emulator::warp_collective(mask, emulator::sync, 0, nullptr, nullptr, 0, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  unsigned votes;
  emulator::warp_collective(mask, emulator::ballot, 0, &predicate, &votes, sizeof votes, line);
  return votes;
}
inline int __any_sync(unsigned mask, int p, int line = __builtin_LINE()) { return __ballot_sync(mask, p, line) != 0; }
inline int __all_sync(unsigned mask, int p, int line = __builtin_LINE()) { return __ballot_sync(mask, p, line) == mask; }
inline unsigned __activemask() { return emulator::active_lanes(); }

namespace emulator {
template <class T>
T shuffle(unsigned mask, T value, int source, int line) {
  static_assert(sizeof(T) <= 8, "CUDA shuffles values of up to eight bytes");
  T result;
  warp_collective(mask, emulator::exchange, source, &value, &result, sizeof result, line);
  return result;
}
}  // namespace emulator

// a lane whose source falls outside its segment of `width` lanes keeps its own value, as on the device
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
  return emulator::shuffle(mask, value, (emulator::lane() & ~(width - 1)) | (source & (width - 1)), line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
  int lane = emulator::lane(), inside = (lane & (width - 1)) + (int)delta;
  return emulator::shuffle(mask, value, inside < width ? lane + (int)delta : lane, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
  int lane = emulator::lane();
  return emulator::shuffle(mask, value, (lane & (width - 1)) >= (int)delta ? lane - (int)delta : lane, line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32, int line = __builtin_LINE()) {
  int lane = emulator::lane(), source = lane ^ flip;
  return emulator::shuffle(mask, value, source < (lane | (width - 1)) + 1 ? source : lane, line);
}

// ------------------------------------------------------------------ atomics and fences

// A fence makes the atomics that follow it order memory too: a block that publishes a result and then counts
// itself done has fenced; without the fence ThreadSanitizer sees the race that the device would have.
inline void __threadfence() { emulator::fence(); }
inline void __threadfence_block() { emulator::fence(); }

namespace emulator {
template <class T> struct identity { using type = T; };
template <class T> using same = typename identity<T>::type;  // not deduced: atomicAdd(&x, 1) takes the type of x
template <int size> struct word;
template <> struct word<4> { using type = unsigned; };
template <> struct word<8> { using type = unsigned long long; };

template <class T, class Update>
T atomic(T* address, Update update) {
  using Word = typename word<sizeof(T)>::type;
  Word* memory = (Word*)address;
  Word before = __atomic_load_n(memory, __ATOMIC_RELAXED), after;
  T old;
  bool done;
  do {
    memcpy(&old, &before, sizeof old);
    T value = update(old);
    memcpy(&after, &value, sizeof after);
    done = fenced() ? __atomic_compare_exchange_n(memory, &before, after, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
                    : __atomic_compare_exchange_n(memory, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  } while (!done);
  return old;
}
}  // namespace emulator

template <class T> T atomicAdd(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return T(old + v); }); }
template <class T> T atomicSub(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return T(old - v); }); }
template <class T> T atomicMax(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return old > v ? old : v; }); }
template <class T> T atomicMin(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return old < v ? old : v; }); }
template <class T> T atomicAnd(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return T(old & v); }); }
template <class T> T atomicOr(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return T(old | v); }); }
template <class T> T atomicXor(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T old) { return T(old ^ v); }); }
template <class T> T atomicExch(T* p, emulator::same<T> v) { return emulator::atomic(p, [=](T) { return v; }); }
template <class T> T atomicCAS(T* p, emulator::same<T> expected, emulator::same<T> v) {
  return emulator::atomic(p, [=](T old) { return old == expected ? v : old; });
}
inline unsigned atomicInc(unsigned* p, unsigned last) { return emulator::atomic(p, [=](unsigned old) { return old >= last ? 0u : old + 1; }); }

template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> void __stcs(T* p, emulator::same<T> v) { *p = v; }
template <class T> void __stcg(T* p, emulator::same<T> v) { *p = v; }

// ------------------------------------------------------------------ copies that a thread does not wait for

// Made when they are waited for; until then their place holds what no kernel wants to read.
namespace emulator {
struct alignas(16) Sixteen { char bytes[16]; };
}  // namespace emulator

inline void __pipeline_memcpy_async(void* to, const void* from, size_t size, size_t zeros = 0) {
  if ((size != 4 && size != 8 && size != 16) || (zeros && zeros != size)) __builtin_trap();
  memset(to, 0xff, size);
  emulator::ask_for({to, from, size, zeros});
}
inline void __pipeline_commit() { emulator::close_group(); }
inline void __pipeline_wait_prior(unsigned groups) {
  emulator::Copy copy;
  while (emulator::take_due(groups, copy)) {  // aligned, or the checks of the build object
    if (copy.zeros) memset(copy.to, 0, copy.size);
    else if (copy.size == 16) *(emulator::Sixteen*)copy.to = *(const emulator::Sixteen*)copy.from;
    else if (copy.size == 8) *(long long*)copy.to = *(const long long*)copy.from;
    else *(int*)copy.to = *(const int*)copy.from;
  }
}

// ------------------------------------------------------------------ arithmetic

#define EMULATOR_EXTREMA(T)                            \
  inline T max(T a, T b) { return a < b ? b : a; }     \
  inline T min(T a, T b) { return b < a ? b : a; }
EMULATOR_EXTREMA(int)
EMULATOR_EXTREMA(unsigned)
EMULATOR_EXTREMA(long)
EMULATOR_EXTREMA(unsigned long)
EMULATOR_EXTREMA(long long)
EMULATOR_EXTREMA(unsigned long long)
inline float max(float a, float b) { return fmaxf(a, b); }
inline float min(float a, float b) { return fminf(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(float a, double b) { return fmax(a, b); }
inline double max(double a, float b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin(a, b); }
inline double min(double a, float b) { return fmin(a, b); }
inline unsigned max(int a, unsigned b) { return max((unsigned)a, b); }
inline unsigned max(unsigned a, int b) { return max(a, (unsigned)b); }
inline unsigned min(int a, unsigned b) { return min((unsigned)a, b); }
inline unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }

inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
inline double rsqrt(double x) { return 1. / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.f), 1.f); }

// Fast intrinsics: the full-precision function stands in. The C library declares some of these names for
// itself, so they are macros here.
#define __expf expf
#define __exp10f exp10f
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
#define __tanhf tanhf
inline float __fdividef(float a, float b) { return a / b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frsqrt_rn(float a) { return rsqrtf(a); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; bit++) reversed |= (x >> bit & 1u) << (31 - bit);
  return reversed;
}

#define EMULATOR_BITS(name, From, To)                   \
  inline To name(From value) {                          \
    To bits;                                            \
    static_assert(sizeof bits == sizeof value, #name);  \
    memcpy(&bits, &value, sizeof bits);                 \
    return bits;                                        \
  }
EMULATOR_BITS(__float_as_int, float, int)
EMULATOR_BITS(__float_as_uint, float, unsigned)
EMULATOR_BITS(__int_as_float, int, float)
EMULATOR_BITS(__uint_as_float, unsigned, float)
EMULATOR_BITS(__double_as_longlong, double, long long)
EMULATOR_BITS(__longlong_as_double, long long, double)
inline int __float2int_rn(float x) { return (int)rintf(x); }
inline int __float2int_rz(float x) { return (int)x; }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
