// A growable byte buffer for what reads return: grows without copying zeros into place and is reused from call to call.
// Not thread-safe; one per reading thread or call.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "native/core/status.h"

namespace crabkv {

class ReadBuffer {
 public:
  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  uint64_t size() const { return size_; }
  uint64_t capacity() const { return capacity_; }
  std::string_view view() const { return std::string_view(bytes_.get(), size_); }
  void Clear() { size_ = 0; }

  // Appends room for `length` bytes and returns where it begins; pointers from before are no longer valid.
  char* Extend(uint64_t length) {
    if (size_ + length > capacity_) Grow(size_ + length);
    char* begin = bytes_.get() + size_;
    size_ += length;
    return begin;
  }
  // Drops everything from `size` on.
  void Shrink(uint64_t size) {
    CRABKV_ASSERT(size <= size_);
    size_ = size;
  }
  // Gives back memory above `keep` bytes, so that one large value does not stay for ever.
  void Trim(uint64_t keep) {
    if (capacity_ <= keep) return;
    bytes_.reset();
    capacity_ = size_ = 0;
  }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  void Grow(uint64_t needed) {
    uint64_t capacity = capacity_ < 256 ? 256 : capacity_ * 2;
    if (capacity < needed) capacity = needed;
    char* bytes = static_cast<char*>(std::realloc(bytes_.release(), capacity));
    CRABKV_ASSERT(bytes != nullptr);
    bytes_.reset(bytes);
    capacity_ = capacity;
  }
  std::unique_ptr<char, Free> bytes_;
  uint64_t size_ = 0;
  uint64_t capacity_ = 0;
};

}  // namespace crabkv
