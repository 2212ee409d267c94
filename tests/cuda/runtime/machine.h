// What a kernel sees of the machine that runs it.
//
// One block runs at a time. Every CUDA thread is a fiber that runs until it waits (at a barrier or in a warp
// collective) or returns; then the scheduler picks the next, in the order of the launch. All of it happens on
// one thread of the CPU, so a run is repeated exactly by the same order and seed.
#pragma once
#include <stddef.h>

struct uint3 { unsigned x, y, z; };
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
extern uint3 threadIdx, blockIdx;  // rewritten at every switch of fibers
extern dim3 blockDim, gridDim;

namespace emulator {

enum Vote { none, count, all, any };
enum Collective { exchange, ballot, sync };

// Wait for the whole block; return the count, and or or of the predicates.
int block_barrier(int predicate, Vote vote, int line);
// Wait for the lanes of the mask; exchange values or votes.
void warp_collective(unsigned mask, Collective kind, int source, const void* in, void* out, int size, int line);
int lane();
unsigned active_lanes();

void fence();
bool fenced();

// A copy to shared memory that a thread has asked for and not waited for.
struct Copy { void* to; const void* from; size_t size, zeros; };
void ask_for(const Copy& copy);
void close_group();
// Take the next copy of this thread that is in none of its last so many groups; false if there is none.
bool take_due(unsigned groups, Copy& copy);

// One static __shared__ variable of the running block, by the number that the loader gave its declaration.
void* static_shared(int id, size_t size);
void* dynamic_shared();
template <class T>
T& shared(int id) { return *(T*)static_shared(id, sizeof(T)); }

// ------------------------------------------------------------------ how the loader calls a kernel

struct Launch {
  unsigned grid[3], block[3];
  size_t dynamic_bytes;
  int order;  // 0 forward, 1 reverse, 2 random
  int patience;  // seconds of processor time
  unsigned long long seed;
};
// Run body(context) once for each thread; return 0, or 1 with a message and, where known, the failing instruction.
int run(const Launch& launch, void (*body)(void*), void* context, char* message, size_t length, void** instruction);

}  // namespace emulator
