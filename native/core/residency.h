// Which pages of a segment are known to be in memory: one bit per 4 KiB page, in two epochs that rotate, so that a page
// which nobody reads any more is forgotten after at most two rotations. A set bit is a hint (the kernel may have
// dropped the page since); a clear one only sends a read to the reader thread. Asking the kernel would cost over a
// microsecond a read. Any thread; relaxed atomics, since a lost or stale bit is harmless.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace crabkv {

class ResidencyBitmap {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  explicit ResidencyBitmap(uint64_t bytes) : words_((bytes / kPageBytes + 64) / 64) {
    for (auto& epoch : epochs_) epoch = std::make_unique<std::atomic<uint64_t>[]>(words_);
  }

  bool Contains(uint64_t offset, uint64_t length) const {
    for (uint64_t page = offset / kPageBytes; page <= LastPage(offset, length); page++) {
      if ((Word(0, page) & Bit(page)) == 0 && (Word(1, page) & Bit(page)) == 0) return false;
    }
    return true;
  }

  void Add(uint64_t offset, uint64_t length) {
    auto& epoch = epochs_[current_.load(std::memory_order_relaxed)];
    for (uint64_t page = offset / kPageBytes; page <= LastPage(offset, length); page++) {
      if (page / 64 >= words_) return;
      auto& word = epoch[page / 64];
      if ((word.load(std::memory_order_relaxed) & Bit(page)) == 0) word.fetch_or(Bit(page), std::memory_order_relaxed);
    }
  }

  // Starts a new epoch and forgets the one before the last. One thread at a time.
  void Rotate() {
    const uint32_t next = 1 - current_.load(std::memory_order_relaxed);
    for (uint64_t i = 0; i < words_; i++) epochs_[next][i].store(0, std::memory_order_relaxed);
    current_.store(next, std::memory_order_relaxed);
  }

 private:
  static uint64_t LastPage(uint64_t offset, uint64_t length) {
    return (offset + (length == 0 ? 0 : length - 1)) / kPageBytes;
  }
  static uint64_t Bit(uint64_t page) { return uint64_t{1} << (page % 64); }
  uint64_t Word(uint32_t epoch, uint64_t page) const {
    return page / 64 < words_ ? epochs_[epoch][page / 64].load(std::memory_order_relaxed) : 0;
  }

  const uint64_t words_;
  std::unique_ptr<std::atomic<uint64_t>[]> epochs_[2];
  std::atomic<uint32_t> current_{0};
};

}  // namespace crabkv
