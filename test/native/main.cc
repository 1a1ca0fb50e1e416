// Runs the native tests: crabkv_tests [--list] [part of a name]... Prints failures, tests of more than a second, the
// seed, and a last line `N passed, N failed`.
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>

#include "test/native/harness.h"

namespace crabkv::test {
namespace {

Test* first_test = nullptr;
Test* last_test = nullptr;
std::atomic<int> failures_of_test{0};
uint64_t seed = 0;

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

uint64_t ChooseSeed() {
  if (const char* given = std::getenv("CRABKV_TEST_SEED")) return std::strtoull(given, nullptr, 0);
  return std::random_device()();
}

bool RunTest(const Test& test) {
  failures_of_test = 0;
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
  seed = ChooseSeed();
  std::printf("CRABKV_TEST_SEED=%" PRIu64 "\n", seed);
  const auto start = std::chrono::steady_clock::now();
  int passed = 0;
  int failed = 0;
  for (Test* test = first_test; test != nullptr; test = test->next) {
    if (!Selected(*test, argc, argv)) continue;
    (RunTest(*test) ? passed : failed)++;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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
  std::printf("%s:%d: %s\n", file, line, what.c_str());
}

uint64_t Seed() { return seed; }

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
