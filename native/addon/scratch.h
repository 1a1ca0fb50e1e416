// Memory for the bytes of arguments: kept from call to call so that ordinary calls allocate nothing, and given back
// after a large one.
#pragma once

#include <cstddef>
#include <memory>

namespace crabkv::addon {

class Scratch {
 public:
  static constexpr size_t kUsualBytes = 64 << 10;

  Scratch() = default;
  Scratch(Scratch&&) = default;
  Scratch& operator=(Scratch&&) = default;

  char* data() { return bytes_.get(); }
  size_t capacity() const { return capacity_; }
  // Contents are lost when it grows.
  void Reserve(size_t bytes) {
    if (bytes <= capacity_) return;
    bytes_.reset();
    bytes_.reset(new char[bytes]);
    capacity_ = bytes;
  }
  // At least the usual size, and not much more: called when the next call's arguments are about to come in.
  void Settle() {
    if (capacity_ >= kUsualBytes && capacity_ <= kKeptBytesMax) return;
    bytes_.reset(new char[kUsualBytes]);
    capacity_ = kUsualBytes;
  }

 private:
  static constexpr size_t kKeptBytesMax = 4 << 20;
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
};

}  // namespace crabkv::addon
