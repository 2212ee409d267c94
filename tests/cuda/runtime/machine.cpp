// The machine behind machine.h: fibers, the scheduler, barriers, warps and shared memory.
//
// Built once for each leg, apart from the kernels: under ThreadSanitizer it is not instrumented itself but
// announces fibers and barriers, so that only the accesses of kernels are judged.
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "guard.h"
#include "sanitizers.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {
namespace {

constexpr unsigned MOST_THREADS = 1024;
constexpr size_t STACK = 256 << 10;
constexpr size_t MOST_SHARED = 48 << 10;
constexpr int POISON = 0xff;  // four bytes of it are a float NaN, eight a double NaN
const char* const COLLECTIVES[] = {"a shuffle", "a ballot", "__syncwarp"};

enum State { ready, at_barrier, in_warp, returned };

struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  uint3 thread{};
  unsigned index = 0;
  State state = returned;
  int line = 0;                  // where it waits
  Vote vote = none;              // at a barrier
  int predicate = 0, result = 0;
  unsigned mask = 0;             // in a warp collective
  Collective kind = sync;
  int source = 0;
  char in[8], out[8];
  bool fenced = false;
  std::vector<std::pair<unsigned, Copy>> copies;  // by group
  unsigned group = 0;
  SanitizerFiber sanitizer;
};

struct Shared {
  size_t size = 0;
  Guarded memory;
};

Fiber sets[SETS][MOST_THREADS];  // those prepared wait for their next block
unsigned prepared[SETS];
Fiber* fibers = sets[0];
Fiber scheduler;
Fiber* current;
unsigned threads, alive;
std::vector<unsigned> next_round;
std::vector<Shared> statics;
Shared dynamic;
size_t shared_bytes;
int order;
unsigned long long random_state;
bool failed;
std::string report;
void* failed_at;
void (*body)(void*);
void* context;

// ------------------------------------------------------------------ switching between fibers

extern "C" void emulator_switch(void** save, void* load);
asm(R"(
.text
.type emulator_switch,@function
emulator_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size emulator_switch,.-emulator_switch
)");

void jump(Fiber& from, Fiber& to) {
  before_switch(from.sanitizer, to.sanitizer, &to == &scheduler, to.stack, STACK);
  emulator_switch(&from.stack_pointer, to.stack_pointer);
  after_switch(from.sanitizer, &from == &scheduler);
}

void fiber_main() {
  first_switch();
  for (;;) {  // one turn for each block
    thread_begins(current->sanitizer);
    body(context);
    thread_ends();
    current->state = returned;
    --alive;
    jump(*current, scheduler);
  }
}

void prepare(Fiber& fiber) {
  if (!fiber.stack)
    fiber.stack = (char*)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void** top = (void**)(fiber.stack + STACK - 64);
  *--top = nullptr;
  *--top = (void*)fiber_main;
  for (int saved = 0; saved < 6; saved++) *--top = nullptr;
  fiber.stack_pointer = top;
  new_fiber(fiber.sanitizer, fiber.stack, STACK);
}

// ------------------------------------------------------------------ failures

void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char* format, ...) {
  if (failed) return;
  char text[640];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  failed = true;
  report = text;
}

std::string where() {
  char text[128];
  snprintf(text, sizeof text, "block (%u, %u, %u)", blockIdx.x, blockIdx.y, blockIdx.z);
  return text;
}

[[noreturn]] void leave() {
  jump(*current, scheduler);  // never scheduled again
  __builtin_unreachable();
}

// ------------------------------------------------------------------ the order of threads and blocks

unsigned long long random_bits() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545F4914F6CDD1DULL;
}

template <class T> void arrange(std::vector<T>& items) {
  if (order == 1) std::sort(items.begin(), items.end(), [](T a, T b) { return a > b; });
  if (order == 2)
    for (size_t i = items.size(); i > 1; i--) std::swap(items[i - 1], items[random_bits() % i]);
}

// ------------------------------------------------------------------ when nothing can run

void release_barrier() {
  int votes = 0;
  for (unsigned i = 0; i < threads; i++) {
    if (fibers[i].line != fibers[0].line)
      return fail("line %d: divergent __syncthreads: thread 0 waits here, thread %u at line %d, in %s", fibers[0].line, i,
                  fibers[i].line, where().c_str());
    votes += fibers[i].predicate != 0;
  }
  for (unsigned i = 0; i < threads; i++) {
    Fiber& fiber = fibers[i];
    fiber.result = fiber.vote == count ? votes : fiber.vote == all ? votes == (int)threads : votes != 0;
    fiber.state = ready;
    next_round.push_back(i);
  }
}

void explain_deadlock() {
  for (unsigned i = 0; i < threads; i++) {
    Fiber& fiber = fibers[i];
    if (fiber.state != in_warp) continue;
    for (unsigned lane = 0; lane < 32; lane++) {
      Fiber& other = fibers[i / 32 * 32 + lane];
      if (!(fiber.mask >> lane & 1) || (other.state == in_warp && other.line == fiber.line && other.mask == fiber.mask)) continue;
      char fate[96];
      if (other.state == returned) snprintf(fate, sizeof fate, "has returned");
      else if (other.state == in_warp) snprintf(fate, sizeof fate, "is in another collective at line %d, mask %08x", other.line, other.mask);
      else snprintf(fate, sizeof fate, "waits at __syncthreads, line %d", other.line);
      return fail("line %d: deadlock in %s: thread %u waits in %s with mask %08x, whose lane %u %s", fiber.line,
                  where().c_str(), i, COLLECTIVES[fiber.kind], fiber.mask, lane, fate);
    }
  }
  unsigned waiting = 0, line = 0;
  for (unsigned i = 0; i < threads; i++)
    if (fibers[i].state == at_barrier) waiting++, line = fibers[i].line;
  fail("line %u: deadlock in %s: %u of %u threads wait at __syncthreads, %u have returned", line, where().c_str(), waiting,
       threads, threads - alive);
}

// ------------------------------------------------------------------ one block

void poison(Shared& array) {
  if (array.size) memset(array.memory.data, POISON, array.size);
}

void release_statics() {
  for (Shared& array : statics) array.memory.release();
  statics.clear();
  shared_bytes = dynamic.size;
}

void check_shared(const Shared& array, const char* kind) {
  if (array.size && !array.memory.intact()) fail("write outside of %s shared memory in %s", kind, where().c_str());
}

void run_block() {
  set = (set + 1) % SETS;
  fibers = sets[set];
  for (; prepared[set] < threads; prepared[set]++) prepare(fibers[prepared[set]]);
  if (SETS > 1 && dynamic.size) {
    dynamic.memory.release();
    dynamic.memory = Guarded(dynamic.size, 0, false);
  }
  for (Shared& array : statics) poison(array);
  poison(dynamic);
  next_round.clear();
  alive = threads;
  for (unsigned i = 0; i < threads; i++) {
    Fiber& fiber = fibers[i];
    fiber.index = i;
    fiber.thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    fiber.state = ready;
    fiber.fenced = false;
    fiber.copies.clear();
    fiber.group = 0;
    next_round.push_back(i);
  }
  std::vector<unsigned> round;
  while (alive && !failed) {
    round.swap(next_round);
    next_round.clear();
    if (round.empty()) {
      unsigned waiting = 0;
      for (unsigned i = 0; i < threads; i++) waiting += fibers[i].state == at_barrier;
      waiting == threads ? release_barrier() : explain_deadlock();
      continue;
    }
    arrange(round);
    for (unsigned i : round) {
      current = &fibers[i];
      threadIdx = current->thread;
      jump(scheduler, *current);
      if (failed) break;
    }
    current = nullptr;
  }
  for (const Shared& array : statics) check_shared(array, "static");
  check_shared(dynamic, "dynamic");
  if (SETS > 1) release_statics();  // unordered blocks do not share
  if (failed)
    for (unsigned i = 0; i < threads; i++) prepare(fibers[i]);  // abandon what is half run
}

bool complete(unsigned first, const Fiber& me) {
  for (unsigned lane = 0; lane < 32; lane++) {
    if (!(me.mask >> lane & 1)) continue;
    const Fiber& other = fibers[first + lane];
    if (other.state != in_warp || other.mask != me.mask || other.line != me.line || other.kind != me.kind) return false;
  }
  return true;
}

}  // namespace

// ------------------------------------------------------------------ what kernels call

int lane() { return current->index & 31; }

unsigned active_lanes() {
  unsigned first = current->index & ~31u, mask = 0;
  for (unsigned lane = 0; lane < 32 && first + lane < threads; lane++) mask |= (fibers[first + lane].state != returned) << lane;
  return mask;
}

void fence() { current->fenced = true; }
bool fenced() { return current->fenced; }

void ask_for(const Copy& copy) { current->copies.push_back({current->group, copy}); }
void close_group() { current->group++; }
bool take_due(unsigned groups, Copy& copy) {
  auto& copies = current->copies;
  if (copies.empty() || current->group - copies.front().first <= groups) return false;
  copy = copies.front().second;
  copies.erase(copies.begin());
  return true;
}

int block_barrier(int predicate, Vote vote, int line) {
  Unseen unseen;
  Fiber& me = *current;
  me.predicate = predicate, me.vote = vote, me.line = line, me.state = at_barrier;
  char* meeting = arrive_at_barrier(me.sanitizer);
  jump(me, scheduler);
  leave_barrier(meeting);
  return me.result;
}

void warp_collective(unsigned mask, Collective kind, int source, const void* in, void* out, int size, int line) {
  Unseen unseen;
  Fiber& me = *current;
  unsigned first = me.index & ~31u, lane = me.index & 31;
  unsigned exist = threads - first >= 32 ? 0xffffffffu : (1u << (threads - first)) - 1;
  if (!(mask >> lane & 1)) {
    fail("line %d: lane %u calls %s but is not in its mask %08x, in %s", line, lane, COLLECTIVES[kind], mask, where().c_str());
    leave();
  }
  if (mask & ~exist) {
    fail("line %d: mask %08x of %s names lanes past the end of the block, in %s", line, mask, COLLECTIVES[kind], where().c_str());
    leave();
  }
  if (kind == exchange && !(mask >> source & 1)) {
    fail("line %d: lane %u shuffles from lane %d, which is not in mask %08x, in %s", line, lane, source, mask, where().c_str());
    leave();
  }
  me.mask = mask, me.kind = kind, me.source = source, me.line = line, me.state = in_warp;
  if (size) memcpy(me.in, in, size);
  arrive_in_warp(me.sanitizer, first / 32, mask);
  if (complete(first, me)) {
    unsigned votes = 0;
    for (unsigned k = 0; k < 32; k++)
      if (mask >> k & 1) votes |= (unsigned)(*(const int*)fibers[first + k].in != 0) << k;
    for (unsigned k = 0; k < 32; k++) {
      if (!(mask >> k & 1)) continue;
      Fiber& other = fibers[first + k];
      if (kind == exchange) memcpy(other.out, fibers[first + other.source].in, size);
      if (kind == ballot) memcpy(other.out, &votes, sizeof votes);
      other.state = ready;
      next_round.push_back(first + k);
      meet_in_warp(other.sanitizer, mask, [&](unsigned l) -> SanitizerFiber& { return fibers[first + l].sanitizer; });
    }
  }
  jump(me, scheduler);
  leave_warp(me.sanitizer, first / 32, mask, [&](unsigned l) -> SanitizerFiber& { return fibers[first + l].sanitizer; });
  if (size) memcpy(out, me.out, size);
}

void* static_shared(int id, size_t size) {
  if ((size_t)id < statics.size() && statics[id].size == size) return statics[id].memory.data;
  Unseen unseen;
  if ((size_t)id >= statics.size()) statics.resize(id + 1);
  Shared& array = statics[id];
  shared_bytes += size - array.size;
  if (shared_bytes > MOST_SHARED) {
    fail("%zu bytes of shared memory in a block; devices give %zu", shared_bytes, MOST_SHARED);
    leave();
  }
  array.memory.release();
  array.memory = Guarded(size, 0, false);
  array.size = size;
  poison(array);
  return array.memory.data;
}

void* dynamic_shared() { return dynamic.memory.data; }

// Called by the handlers of signals and of checks, on the stack of the thread that failed.
void stop(const std::string& message, void* instruction) {
  char thread[96];
  snprintf(thread, sizeof thread, ", by thread (%u, %u, %u) of ", threadIdx.x, threadIdx.y, threadIdx.z);
  fail("%s%s%s", message.c_str(), thread, where().c_str());
  failed_at = instruction;
  leave();
}
bool running() { return current != nullptr; }

bool in_shared(const void* address, std::string& name) {
  for (const Shared& array : statics)
    if (array.size && array.memory.near(address)) return name = "static shared memory", true;
  if (dynamic.size && dynamic.memory.near(address)) return name = "dynamic shared memory", true;
  return false;
}

int run(const Launch& launch, void (*kernel)(void*), void* arguments, char* message, size_t length, void** instruction) {
  Unseen unseen;
  gridDim = {launch.grid[0], launch.grid[1], launch.grid[2]};
  blockDim = {launch.block[0], launch.block[1], launch.block[2]};
  threads = blockDim.x * blockDim.y * blockDim.z;
  body = kernel, context = arguments, order = launch.order;
  random_state = launch.seed * 0x9E3779B97F4A7C15ULL | 1;
  failed = false, failed_at = nullptr;
  shared_bytes = launch.dynamic_bytes;
  dynamic.size = launch.dynamic_bytes;
  dynamic.memory = dynamic.size ? Guarded(dynamic.size, 0, false) : Guarded();
  launch_begins(scheduler.sanitizer);
  Handlers handlers(launch.patience);
  size_t blocks = (size_t)gridDim.x * gridDim.y * gridDim.z;
  std::vector<size_t> sequence(blocks);
  for (size_t i = 0; i < blocks; i++) sequence[i] = i;
  arrange(sequence);
  for (size_t block : sequence) {
    blockIdx = {unsigned(block % gridDim.x), unsigned(block / gridDim.x % gridDim.y), unsigned(block / gridDim.x / gridDim.y)};
    run_block();
    if (failed) break;
  }
  release_statics();
  dynamic.memory.release();
  launch_ends();
  if (failed) snprintf(message, length, "%s", report.c_str());
  *instruction = failed_at;
  return failed;
}

}  // namespace emulator
