// Fuzzers: FUZZ(name) { … } gets `input`, bytes that nobody vouches for, and may do anything but crash, hang, touch
// memory that is not its own, or break a CHECK. One program holds all of them; CRABKV_FUZZ names the one to run
// (run.mjs does).
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace crabkv::fuzz {

struct Fuzzer {
  const char* name;
  void (*run)(std::string_view input);
  Fuzzer* next;
};

struct Registration {
  explicit Registration(Fuzzer* fuzzer);
};

// Of an input, a number or a part, taken from its beginning; zeros and nothing when it is used up.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}
  uint8_t Byte();
  uint64_t Number();  // of 4 bytes
  std::string Part(uint64_t length);
  bool empty() const { return bytes_.empty(); }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace crabkv::fuzz

#define FUZZ(name)                                                               \
  static void Fuzz_##name(std::string_view input);                               \
  static ::crabkv::fuzz::Fuzzer fuzzer_##name = {#name, Fuzz_##name, nullptr};   \
  static const ::crabkv::fuzz::Registration registration_##name(&fuzzer_##name); \
  static void Fuzz_##name(std::string_view input)

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)
