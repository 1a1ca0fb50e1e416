// Runs the native tests: crabkv_tests [--list] [--shard=I/N] [part of a name]... Prints failures, tests of more than a
// second, the seed, and a last line `N passed, N failed`. A test that hangs (CRABKV_TEST_TIMEOUT_S, default 240),
// crashes or breaks an assertion of the core is reported as failed, with what it was at, and ends the run. A shard is
// every N-th of the tests from the I-th on: N processes, with I from 1 to N, run all of them.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "test/native/harness.h"

namespace crabkv::test {
namespace {

Test* first_test = nullptr;
Test* last_test = nullptr;
std::atomic<int> failures_of_test{0};
uint64_t seed = 0;
const char* program_path = "crabkv_tests";

// Read by a signal handler and by the watchdog, so plain memory.
constexpr size_t kContextBytes = 256;
char context[kContextBytes];
const char* volatile running = "";
std::atomic<int> passed{0};
std::atomic<int> failed{0};

// Past this many, a test in a loop says nothing new.
constexpr int kPrintedFailuresMax = 20;

bool Selected(const Test& test, int argc, char** argv) {
  bool filtered = false;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') continue;
    filtered = true;
    if (std::strstr(test.name, argv[i]) != nullptr || std::strstr(test.file, argv[i]) != nullptr) return true;
  }
  return !filtered;
}

struct Shard {
  unsigned nth = 1;
  unsigned of = 1;
};

// False for one that is none.
bool ReadShard(int argc, char** argv, Shard* shard) {
  for (int i = 1; i < argc; i++) {
    if (std::strncmp(argv[i], "--shard=", 8) != 0) continue;
    if (std::sscanf(argv[i] + 8, "%u/%u", &shard->nth, &shard->of) != 2) return false;
  }
  return shard->nth >= 1 && shard->nth <= shard->of;
}

uint64_t ChooseSeed() {
  if (const char* given = std::getenv("CRABKV_TEST_SEED")) return std::strtoull(given, nullptr, 0);
  return std::random_device()();
}

// The last words of a run that can't go on. Async-signal-safe but for the numbers, which snprintf formats in place.
[[noreturn]] void EndRun(const char* why) {
  char text[1024];
  const int length = std::snprintf(text, sizeof(text), "FAILED %s: %s%s%s\n%d passed, %d failed\n", running, why,
                                   context[0] == '\0' ? "" : ", at ", context, passed.load(), failed.load() + 1);
  const ssize_t written = ::write(STDOUT_FILENO, text, static_cast<size_t>(length));
  ::_exit(written == length ? 1 : 2);
}

// Ends the run when one test takes too long: a hang is a failure like any other.
class Watchdog {
 public:
  Watchdog() {
    const char* given = std::getenv("CRABKV_TEST_TIMEOUT_S");
    limit_ = std::chrono::seconds(given != nullptr ? std::strtoull(given, nullptr, 0) : LongRun() ? 36000 : 240);
    thread_ = std::thread([this] { Main(); });
  }
  ~Watchdog() {
    Tell(true);
    thread_.join();
  }
  void NextTest() { Tell(false); }

 private:
  void Tell(bool stop) {
    const std::lock_guard<std::mutex> hold(mutex_);
    stops_ = stop;
    deadline_ = std::chrono::steady_clock::now() + limit_;
    wakes_.notify_one();
  }
  void Main() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stops_) {
      if (std::chrono::steady_clock::now() >= deadline_) EndRun("hangs");
      wakes_.wait_until(lock, deadline_);
    }
  }

  std::chrono::seconds limit_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + std::chrono::hours(1);
  bool stops_ = false;
  std::thread thread_;
};

bool RunTest(const Test& test) {
  failures_of_test = 0;
  running = test.name;
  const auto start = std::chrono::steady_clock::now();
  test.run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const int failures = failures_of_test;
  if (failures > 0) std::printf("FAILED %s (%s): %d expectations\n", test.name, test.file, failures);
  if (seconds > 1) std::printf("%6.1f s  %s\n", seconds, test.name);
  std::fflush(stdout);
  return failures == 0;
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    if (std::strcmp(argv[i], "--list") != 0) continue;
    for (Test* test = first_test; test != nullptr; test = test->next) std::printf("%s\n", test->name);
    return 0;
  }
  Shard shard;
  if (!ReadShard(argc, argv, &shard)) {
    std::fprintf(stderr, "--shard=I/N has I from 1 to N\n");
    return 2;
  }
  program_path = argv[0];
  seed = ChooseSeed();
  std::printf("CRABKV_TEST_SEED=%" PRIu64 "\n", seed);
  const auto start = std::chrono::steady_clock::now();
  std::signal(SIGABRT, [](int) { EndRun("aborts"); });
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // these say more themselves
  std::signal(SIGSEGV, [](int) { EndRun("crashes"); });
#endif
  Watchdog watchdog;
  unsigned selected = 0;
  for (Test* test = first_test; test != nullptr; test = test->next) {
    if (!Selected(*test, argc, argv)) continue;
    if (selected++ % shard.of != shard.nth - 1) continue;
    watchdog.NextTest();
    (RunTest(*test) ? passed : failed)++;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("native tests: %.1f s\n%d passed, %d failed\n", seconds, passed.load(), failed.load());
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace

Registration::Registration(Test* test) {
  (last_test == nullptr ? first_test : last_test->next) = test;
  last_test = test;
}

void Fail(const char* file, int line, const std::string& what) {
  if (failures_of_test++ >= kPrintedFailuresMax) return;
  std::printf("%s:%d: %s%s%s\n", file, line, what.c_str(), context[0] == '\0' ? "" : "  at ", context);
  std::fflush(stdout);
}

Context::Context(const std::string& what) : before_(context) {
  std::snprintf(context, sizeof(context), "%s", what.c_str());
}

Context::~Context() { std::snprintf(context, sizeof(context), "%s", before_.c_str()); }

bool LongRun() {
  const char* given = std::getenv("CRABKV_TEST_LONG");
  return given != nullptr && std::strcmp(given, "1") == 0;
}

namespace {
struct Strides {
  uint64_t calls;
  uint64_t bytes;
  uint64_t rounds;
};
#if defined(__SANITIZE_THREAD__)
constexpr Strides kUsual = {6, 16, 4};
#elif defined(__SANITIZE_ADDRESS__)
constexpr Strides kUsual = {4, 4, 4};
#else
constexpr Strides kUsual = {1, 1, 1};
#endif

uint64_t StrideOr(uint64_t usual) {
  if (const char* given = std::getenv("CRABKV_TEST_STRIDE"))
    return std::max<uint64_t>(1, std::strtoull(given, nullptr, 0));
  return LongRun() ? 1 : usual;
}
}  // namespace

uint64_t Stride() { return StrideOr(kUsual.calls); }
uint64_t ByteStride() { return StrideOr(kUsual.bytes); }

uint64_t Rounds(uint64_t in_release) {
  if (LongRun()) return in_release * 50;
  const uint64_t stride = StrideOr(kUsual.rounds);
  return (in_release + stride - 1) / stride;
}

uint64_t Seed() { return seed; }

const char* ProgramPath() { return program_path; }

bool ExpectOk(const Status& status, const char* expression, const char* file, int line) {
  if (status.ok()) return true;
  Fail(file, line, std::string(expression) + ": " + status.message());
  return false;
}

bool ExpectCode(const Status& status, Code code, const char* expression, const char* file, int line) {
  if (status.Is(code)) return true;
  Fail(file, line,
       std::string(expression) + ": code " + std::to_string(static_cast<int>(status.code())) + " (" + status.message() +
           ") is not " + std::to_string(static_cast<int>(code)));
  return false;
}

}  // namespace crabkv::test

int main(int argc, char** argv) { return crabkv::test::Main(argc, argv); }
