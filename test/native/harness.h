// The native test harness: TEST(A_sentence) { EXPECT(...); } registers a test, main.cc runs them one after the other in
// one thread of each of its processes. A failed expectation is printed and counted, and the test goes on; FATAL ones
// return from the test.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include "native/core/status.h"

namespace crabkv::test {

struct Test {
  const char* name;
  const char* file;
  void (*run)();
  Test* next;
};

// Adds to a list kept in static memory: registration allocates nothing and needs no order of construction.
struct Registration {
  explicit Registration(Test* test);
};

// Notes a failure of the running test. May be called from any thread.
void Fail(const char* file, int line, const std::string& what);

// What the running test is at (a case of a loop), for the report of a failure, a crash or a hang; until the object
// goes. For the thread that runs the tests.
class Context {
 public:
  explicit Context(const std::string& what);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  std::string before_;
};

// How much of a long loop to run: 1 in the release build, less where a sanitizer makes everything several times slower,
// more with CRABKV_TEST_LONG=1 (for scripts, not CI). CRABKV_TEST_STRIDE sets the stride. Steps through cases by
// Stride(), those that differ in a byte of a file by ByteStride(); counts of rounds go through Rounds(). TSan looks for
// races, so it runs the fewest of the cases that differ in bytes.
bool LongRun();
uint64_t Stride();
uint64_t ByteStride();
uint64_t Rounds(uint64_t in_release);

// The seed of this run: CRABKV_TEST_SEED, or random and printed. Every random choice of a test derives from it.
uint64_t Seed();

// How this program was called, for messages that say how to run something again.
const char* ProgramPath();

// SplitMix64: small, and the same on every system. Not for two threads at once.
class Random {
 public:
  explicit Random(uint64_t seed = Seed()) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t limit) { return limit == 0 ? 0 : Next() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Bytes(uint64_t length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(Next());
    return bytes;
  }

 private:
  uint64_t state_;
};

// What a failed comparison shows. Few kinds of values, so that the many comparisons compile to little.
std::string InText(int64_t value);
std::string InText(uint64_t value);
std::string InText(double value);
std::string InText(std::string_view value);

template <typename T>
std::string TextOf(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return InText(std::string_view(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    return InText(static_cast<double>(value));
  } else if constexpr (std::is_enum_v<T> || std::is_signed_v<T>) {
    return InText(static_cast<int64_t>(value));
  } else {
    return InText(static_cast<uint64_t>(value));
  }
}

void FailUnequal(const char* file, int line, const char* expression, const std::string& a, const std::string& b);

template <typename A, typename B>
bool ExpectEqual(const A& a, const B& b, const char* expression, const char* file, int line) {
  if (a == b) return true;
  FailUnequal(file, line, expression, TextOf(a), TextOf(b));
  return false;
}

bool ExpectOk(const Status& status, const char* expression, const char* file, int line);
bool ExpectCode(const Status& status, Code code, const char* expression, const char* file, int line);

}  // namespace crabkv::test

#define TEST(name)                                                                   \
  static void Test_##name();                                                         \
  static ::crabkv::test::Test test_##name = {#name, __FILE__, Test_##name, nullptr}; \
  static const ::crabkv::test::Registration registration_##name(&test_##name);       \
  static void Test_##name()

#define EXPECT(condition) \
  ((condition) ? true : (::crabkv::test::Fail(__FILE__, __LINE__, "expected " #condition), false))
#define EXPECT_EQ(a, b) ::crabkv::test::ExpectEqual((a), (b), #a " == " #b, __FILE__, __LINE__)
#define EXPECT_OK(expression) ::crabkv::test::ExpectOk((expression), #expression, __FILE__, __LINE__)
#define EXPECT_CODE(expression, code) ::crabkv::test::ExpectCode((expression), (code), #expression, __FILE__, __LINE__)
// Ends the test when what it goes on with is not there.
#define REQUIRE(condition) \
  if (!EXPECT(condition)) return
#define REQUIRE_OK(expression) \
  if (!EXPECT_OK(expression)) return
