// Guarded memory, and what happens on a fault: the handler of the signal sends the failing thread into `stop`,
// which leaves its fiber for good. Bounds of array types and alignment are checked by code that the compiler
// inserts; its reports arrive here too, instead of in the UBSan library, so that they end a launch and not Python.
#include "guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include <map>

namespace emulator {
namespace {

constexpr size_t PAGE = 4096;
constexpr int POISON = 0xff;
#if defined(EMULATOR_SANITIZED)
constexpr bool SANITIZED = true;
#else
constexpr bool SANITIZED = false;
#endif

std::map<int, Guarded> arrays;  // the global arrays of the launch, by number

std::string fault_message;

}  // namespace

Guarded::Guarded(size_t size, size_t misalignment, bool at_front) : size(size) {
  if (SANITIZED) {
    pages = (char*)malloc(size + misalignment);
    data = pages + misalignment;
    return;
  }
  size_t body = (size + misalignment + 15 + PAGE - 1) / PAGE * PAGE;
  length = body + 2 * PAGE;
  pages = (char*)mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  mprotect(pages + PAGE, body, PROT_READ | PROT_WRITE);
  if (at_front) {
    data = pages + PAGE + misalignment;
  } else {
    char* end = pages + PAGE + body;
    data = end - size;
    data -= ((size_t)data - misalignment) % 16;
  }
  memset(pages + PAGE, POISON, data - (pages + PAGE));
  memset(data + size, POISON, pages + PAGE + body - (data + size));
}

bool Guarded::intact() const {
  if (SANITIZED || !pages) return true;
  for (const char* p = pages + PAGE; p < data; p++)
    if (*p != (char)POISON) return false;
  for (const char* p = data + size; p < pages + length - PAGE; p++)
    if (*p != (char)POISON) return false;
  return true;
}

bool Guarded::near(const void* address) const {
  return pages && (const char*)address >= pages && (const char*)address < pages + length;
}

void Guarded::release() {
  if (SANITIZED) free(pages);
  else if (pages) munmap(pages, length);
  *this = Guarded();
}

// ------------------------------------------------------------------ faults

namespace {

std::string describe(const void* address) {
  std::string name;
  char text[128];
  for (auto& [id, array] : arrays)
    if (array.near(address)) {
      snprintf(text, sizeof text, "access out of bounds of array #%d at byte %ld", id, array.offset(address));
      return text;
    }
  if (in_shared(address, name)) return "access out of bounds of " + name;
  snprintf(text, sizeof text, "access to invalid address %p", address);
  return text;
}

int patience;
void* fault_instruction;
void after_fault() { stop(fault_message, fault_instruction); }

struct sigaction before[4];
const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGVTALRM};

void set_alarm(int seconds) {
  itimerval alarm{{seconds, 0}, {seconds, 0}};
  setitimer(ITIMER_VIRTUAL, &alarm, nullptr);
}

void on_signal(int signal, siginfo_t* info, void* raw) {
  if (!running()) {  // not a kernel's doing
    for (int i = 0; i < 3; i++)
      if (SIGNALS[i] == signal) sigaction(signal, &before[i], nullptr);
    return;
  }
  auto& registers = ((ucontext_t*)raw)->uc_mcontext.gregs;
  fault_instruction = (void*)registers[REG_RIP];
  fault_message = signal == SIGFPE      ? "integer division by zero"
                  : signal == SIGVTALRM ? "still running after " + std::to_string(patience) + " seconds"
                                        : describe(info->si_addr);
  // return from the signal into after_fault, below the red zone of the failing frame, with the stack as after a call
  registers[REG_RIP] = (greg_t)after_fault;
  registers[REG_RSP] = ((registers[REG_RSP] - 256) & ~15ll) - 8;
}

}  // namespace

Handlers::Handlers(int seconds) {
  patience = seconds;
#if !defined(EMULATOR_SANITIZED)
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &before[i]);
  set_alarm(patience);
#endif
}

Handlers::~Handlers() {
#if !defined(EMULATOR_SANITIZED)
  set_alarm(0);
  for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &before[i], nullptr);
#endif
}

}  // namespace emulator

// ------------------------------------------------------------------ checks that the compiler inserted

namespace {
struct Location { const char* file; unsigned line, column; };
struct Type { unsigned short kind, info; char name[1]; };
struct Index { Location location; Type *array, *index; };
struct Pointer { Location location; Type* type; unsigned char log_alignment, kind; };

std::string line(const Location& location) { return "line " + std::to_string(location.line) + ": "; }
}  // namespace

extern "C" void __ubsan_handle_out_of_bounds_abort(Index* check, size_t index) {
  emulator::stop(line(check->location) + "index " + std::to_string((long)index) + " out of bounds of " + check->array->name, nullptr);
}
extern "C" void __ubsan_handle_type_mismatch_v1_abort(Pointer* check, size_t address) {
  emulator::stop(line(check->location) + "misaligned access to " + check->type->name + ", which needs a multiple of " +
                     std::to_string(1 << check->log_alignment) + " bytes and got one of " + std::to_string(address & -address),
                 nullptr);
}

// ------------------------------------------------------------------ global arrays, made by the loader

extern "C" void* emulator_new_array(int id, size_t size, size_t misalignment, int at_front) {
  return (emulator::arrays[id] = emulator::Guarded(size, misalignment, at_front)).data;
}
extern "C" int emulator_array_intact(int id) { return emulator::arrays[id].intact(); }
extern "C" void emulator_free_arrays() {
  for (auto& [id, array] : emulator::arrays) array.release();
  emulator::arrays.clear();
}
