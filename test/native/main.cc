// Runs the native tests: crabkv_tests [--list] [--jobs=N] [part of a name]... Prints failures, tests of more than a
// second, the seed, and a last line `N passed, N failed`. A test that hangs (CRABKV_TEST_TIMEOUT_S, default 240),
// crashes or breaks an assertion of the core is reported as failed, with what it was at, and ends its process. Of those
// there are as many as jobs, each of which takes the next test when it has done one; with one job, the first (the
// default), it is this process.
#include <sys/mman.h>
#include <sys/wait.h>
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
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "native/core/sanitizers.h"
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

constexpr unsigned kJobsMax = 64;
// What a process ends with that has said what failed, but is not the first.
constexpr int kSaid = 3;

// In memory that all processes share.
struct Progress {
  std::atomic<size_t> next{0};  // of the selected tests
  std::atomic<int> passed{0};
  std::atomic<int> failed{0};
  std::atomic<const char*> running[kJobsMax] = {};
};
Progress* progress = nullptr;
bool is_first = true;

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

// 0 for a number of them that can't be.
unsigned ReadJobs(int argc, char** argv) {
  unsigned jobs = 1;
  for (int i = 1; i < argc; i++) {
    if (std::strncmp(argv[i], "--jobs=", 7) == 0 && std::sscanf(argv[i] + 7, "%u", &jobs) != 1) return 0;
  }
  return jobs <= kJobsMax ? jobs : 0;
}

uint64_t ChooseSeed() {
  if (const char* given = std::getenv("CRABKV_TEST_SEED")) return std::strtoull(given, nullptr, 0);
  return std::random_device()();
}

// The last words of a process that can't go on. Async-signal-safe but for the numbers, which snprintf formats in place.
[[noreturn]] void EndRun(const char* why) {
  char text[1024];
  int length = std::snprintf(text, sizeof(text), "FAILED %s: %s%s%s\n", running, why, context[0] == '\0' ? "" : ", at ",
                             context);
  progress->failed++;
  if (is_first) {
    length += std::snprintf(text + length, sizeof(text) - static_cast<size_t>(length), "%d passed, %d failed\n",
                            progress->passed.load(), progress->failed.load());
  }
  const ssize_t written = ::write(STDOUT_FILENO, text, static_cast<size_t>(length));
  ::_exit(written != length ? 2 : is_first ? 1 : kSaid);
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

// Runs tests until none is left.
void Work(const std::vector<Test*>& tests, unsigned job) {
  std::signal(SIGABRT, [](int) { EndRun("aborts"); });
#if !CRABKV_TSAN && !CRABKV_ASAN  // these say more themselves
  std::signal(SIGSEGV, [](int) { EndRun("crashes"); });
#endif
  Watchdog watchdog;
  for (size_t next = progress->next++; next < tests.size(); next = progress->next++) {
    progress->running[job] = tests[next]->name;
    watchdog.NextTest();
    (RunTest(*tests[next]) ? progress->passed : progress->failed)++;
  }
}

// The same in as many processes as there are jobs; what a process did not say itself of its end is said here.
void WorkAtOnce(const std::vector<Test*>& tests, unsigned jobs) {
  std::vector<pid_t> children;
  for (unsigned job = 0; job < jobs; job++) {
    const pid_t child = ::fork();
    if (child == 0) {
      is_first = false;
      Work(tests, job);
      std::exit(0);
    }
    children.push_back(child);
  }
  for (unsigned job = 0; job < jobs; job++) {
    int status = 0;
    const bool ended = children[job] > 0 && ::waitpid(children[job], &status, 0) == children[job];
    if (ended && WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kSaid)) continue;
    const char* const at = progress->running[job];
    std::printf("FAILED %s: its process ended with %s %d\n", at == nullptr ? "(none)" : at,
                WIFSIGNALED(status) ? "signal" : "exit code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    progress->failed++;
  }
}

int Main(int argc, char** argv) {
  std::vector<Test*> tests;
  for (Test* test = first_test; test != nullptr; test = test->next) {
    if (Selected(*test, argc, argv)) tests.push_back(test);
  }
  for (int i = 1; i < argc; i++) {
    if (std::strcmp(argv[i], "--list") != 0) continue;
    for (const Test* test : tests) std::printf("%s\n", test->name);
    return 0;
  }
  const unsigned jobs = ReadJobs(argc, argv);
  if (jobs == 0) {
    std::fprintf(stderr, "--jobs=N has N from 1 to %u\n", kJobsMax);
    return 2;
  }
  void* const memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  progress = new (memory) Progress();
  program_path = argv[0];
  seed = ChooseSeed();
  std::printf("CRABKV_TEST_SEED=%" PRIu64 "\n", seed);
  std::fflush(stdout);
  const auto start = std::chrono::steady_clock::now();
  jobs == 1 ? Work(tests, 0) : WorkAtOnce(tests, jobs);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const int passed = progress->passed, failed = progress->failed;
  std::printf("native tests: %.1f s\n%d passed, %d failed\n", seconds, passed, failed);
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
#if CRABKV_TSAN
constexpr Strides kUsual = {8, 64, 4};
#elif CRABKV_ASAN
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

std::string InText(int64_t value) { return std::to_string(value); }
std::string InText(uint64_t value) { return std::to_string(value); }
std::string InText(double value) { return std::to_string(value); }
std::string InText(std::string_view value) { return std::string(value); }

void FailUnequal(const char* file, int line, const char* expression, const std::string& a, const std::string& b) {
  Fail(file, line, std::string(expression) + ": " + a + " is not " + b);
}

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
