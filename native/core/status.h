// The result of every operation of the core that can fail. Returned by value, never thrown; the code is public and is
// the only thing that callers may branch on (messages are for people). An OK status is one null pointer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace crabkv {

// One table with src/errors.ts, which turns each of these into an error of its own (test/errors.test.ts compares them).
enum class Code : uint8_t {
  kOk = 0,
  kInvalidArgument = 1,  // a caller's mistake that TypeScript did not catch: a bug there
  kTooLarge = 2,         // key, value or batch over its bound
  kLocked = 3,           // another process owns the directory
  kCorruption = 4,       // bytes that are proven durable fail their check
  kIo = 5,               // the operating system refused; errno says why
  kDiskFull = 6,         // no space for this write; nothing of it was kept
  kClosed = 7,           // the store is closed or closing
  kIndeterminate = 8,    // a sync failed: the write may or may not be there after reopening
  kBusy = 9,             // a bounded queue is full; try again when earlier work is done
  kFormat = 10,          // not a store, or of a format this version does not read
  kMissing = 11,         // no store there and create_if_missing is off
  kExists = 12,          // a store is there and error_if_exists is on
  kReadOnly = 13,        // a write to a store opened read-only, or a backup opened for writing
  kOptionsDiffer = 14,   // already open in this process with other options
  kFailed = 15,          // the store has taken a sticky failure: no writes until it is reopened
  kAborted = 16,         // cancelled by the caller
  kNotResident = 17,     // internal: the read would have to wait for the disk
  kInternal = 18,        // a bug; the core itself never gives it
  kPositionGone = 19,    // a feed was to begin, or go on, where the log no longer has the changes
  kLagged = 20,          // a feed fell behind by more than its bound
};

class [[nodiscard]] Status {
 public:
  static constexpr uint64_t kNoOffset = ~uint64_t{0};

  Status() = default;
  static Status Ok() { return Status(); }
  static Status Error(Code code, std::string message);
  // An operating-system failure on `path`: the one mapping from errno to Code (ENOSPC, EDQUOT -> kDiskFull, else kIo).
  static Status FromErrno(int error, std::string_view operation, std::string_view path);
  // A failed check of bytes in a file; `offset` is in bytes from its start.
  static Status Corruption(std::string_view path, uint64_t offset, std::string message);

  bool ok() const { return detail_ == nullptr; }
  Code code() const { return detail_ ? detail_->code : Code::kOk; }
  bool Is(Code code) const { return this->code() == code; }
  const std::string& message() const;
  const std::string& path() const;  // empty when no file is concerned
  uint64_t offset() const { return detail_ ? detail_->offset : kNoOffset; }
  int error_number() const { return detail_ ? detail_->error_number : 0; }
  // The same failure under another code, e.g. a kIo sync failure reported to a waiting write as kIndeterminate.
  Status WithCode(Code code, std::string_view prefix) const;

 private:
  struct Detail {
    Code code;
    std::string message;
    std::string path;
    uint64_t offset = kNoOffset;
    int error_number = 0;
  };
  explicit Status(std::shared_ptr<const Detail> detail) : detail_(std::move(detail)) {}
  std::shared_ptr<const Detail> detail_;
};

#define CRABKV_RETURN_IF_ERROR(expression)                         \
  do {                                                             \
    ::crabkv::Status status_of_expression_ = (expression);         \
    if (!status_of_expression_.ok()) return status_of_expression_; \
  } while (false)

// An invariant: checked in every build, because going on with a broken one could lose data.
[[noreturn]] void AssertionFailed(const char* condition, const char* file, int line);
#define CRABKV_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::crabkv::AssertionFailed(#condition, __FILE__, __LINE__))

}  // namespace crabkv
