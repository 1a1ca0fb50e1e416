// See guarded_read.h. What a signal handler may do is little: it looks at this thread's list of armed ranges, jumps or
// passes the signal on, and calls nothing that is not async-signal-safe.
#include "native/core/guarded_read.h"

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "native/core/sanitizers.h"
#include "native/core/status.h"

namespace crabkv {

namespace {

#if CRABKV_TSAN
// TSan puts a handler of its own in front of ours, which blocks every signal: a jump out of it must open them again.
constexpr int kSaveSignalMask = 1;
#else
// SA_NODEFER leaves the mask alone; saving it would cost a system call per read instead of a few nanoseconds.
constexpr int kSaveSignalMask = 0;
#endif

// Lives on the stack of RunGuarded.
struct ArmedRange {
  uintptr_t begin;
  uintptr_t end;
  ArmedRange* outer;
  sigjmp_buf place;
};

// The default model of an addon may allocate on a thread's first access, which a signal handler must not. glibc keeps
// room for small initial-exec variables of libraries loaded later; other C libraries refuse to load them.
#if defined(__GLIBC__)
__attribute__((tls_model("initial-exec")))
#endif
thread_local ArmedRange* volatile innermost = nullptr;

struct sigaction previous;  // written once, before the handler is in place

// By kill() and its like, and not by an access of this thread.
bool WasSent(const siginfo_t* info) {
#if defined(__APPLE__)
  return info->si_code == 0 || info->si_code >= SI_USER;
#else
  return info->si_code <= 0;
#endif
}

// As if our handler were not there.
void PassOn(int signal_number, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal_number, info, context);
    return;
  }
  if (previous.sa_handler == SIG_IGN && WasSent(info)) return;
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal_number);
    return;
  }
  // A fault happens again on return, now without us; a signal that was sent has to be sent again. (The kernel does not
  // let a process ignore a fault, so SIG_IGN is the default there too.)
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigemptyset(&standard.sa_mask);
  ::sigaction(signal_number, &standard, nullptr);
  if (WasSent(info)) ::raise(signal_number);
}

void OnBusError(int signal_number, siginfo_t* info, void* context) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (!WasSent(info)) {
    for (ArmedRange* range = innermost; range != nullptr; range = range->outer) {
      if (address >= range->begin && address < range->end) siglongjmp(range->place, 1);
    }
  }
  PassOn(signal_number, info, context);
}

bool Install() {
  struct sigaction guard = {};
  guard.sa_sigaction = OnBusError;
  guard.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&guard.sa_mask);
  CRABKV_ASSERT(::sigaction(SIGBUS, nullptr, &previous) == 0);
  CRABKV_ASSERT(::sigaction(SIGBUS, &guard, nullptr) == 0);
  return true;
}

}  // namespace

void InstallGuard() {
  // Never again, even when replaced: whoever did that may call our handler in turn, and we would call theirs, for ever.
  static const bool installed = Install();
  static_cast<void>(installed);
}

bool RunGuarded(const char* begin, const char* end, GuardedLeaf leaf, void* context) {
  ArmedRange range;
  range.begin = reinterpret_cast<uintptr_t>(begin);
  range.end = reinterpret_cast<uintptr_t>(end);
  range.outer = innermost;
  // No local changes between here and the jump, so none is lost by it.
  if (sigsetjmp(range.place, kSaveSignalMask) != 0) {
    innermost = range.outer;
    return false;
  }
  innermost = &range;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  leaf(context);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  innermost = range.outer;
  return true;
}

bool GuardedCopy(char* to, const char* from, size_t length) {
  return RunGuarded(from, from + length, [&] { std::memcpy(to, from, length); });
}

}  // namespace crabkv
