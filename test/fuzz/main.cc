// What libFuzzer calls. See fuzz.h.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "native/core/coding.h"
#include "test/fuzz/fuzz.h"
#include "test/native/harness.h"

namespace crabkv::fuzz {

namespace {
Fuzzer* first = nullptr;

const Fuzzer& Chosen() {
  const char* name = std::getenv("CRABKV_FUZZ");
  for (const Fuzzer* fuzzer = first; fuzzer != nullptr; fuzzer = fuzzer->next) {
    if (name != nullptr && std::strcmp(fuzzer->name, name) == 0) return *fuzzer;
  }
  std::fprintf(stderr, "CRABKV_FUZZ is one of");
  for (const Fuzzer* fuzzer = first; fuzzer != nullptr; fuzzer = fuzzer->next)
    std::fprintf(stderr, " %s", fuzzer->name);
  std::fprintf(stderr, "\n");
  std::exit(2);
}
}  // namespace

Registration::Registration(Fuzzer* fuzzer) {
  fuzzer->next = first;
  first = fuzzer;
}

uint8_t Input::Byte() {
  if (bytes_.empty()) return 0;
  const uint8_t byte = static_cast<uint8_t>(bytes_[0]);
  bytes_.remove_prefix(1);
  return byte;
}

uint64_t Input::Number() {
  char number[4] = {};
  const std::string part = Part(sizeof(number));
  std::memcpy(number, part.data(), part.size());
  return GetU32(number);
}

std::string Input::Part(uint64_t length) {
  const size_t taken = static_cast<size_t>(std::min<uint64_t>(length, bytes_.size()));
  std::string part(bytes_.substr(0, taken));
  bytes_.remove_prefix(taken);
  return part;
}

}  // namespace crabkv::fuzz

namespace crabkv::test {
// What the fixtures of the tests expect of their harness.
uint64_t Seed() { return 1; }
}  // namespace crabkv::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const crabkv::fuzz::Fuzzer& fuzzer = crabkv::fuzz::Chosen();
  fuzzer.run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
