// Requests out of bytes, whatever pieces they come in: RESP arrays of bulk strings (the form of a request is the same
// in RESP2 and RESP3) and lines of words. Keeps its place in an unfinished request, so no byte is looked at twice, and
// every length is checked before anything is kept for it. Follows Redis' networking.c, error texts included.
//
// One thread at a time. Knows nothing of commands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/core/read_buffer.h"

namespace crabkv::protocol {

struct RequestLimits {
  uint32_t arguments_max = 1 << 20;                  // of one request
  uint64_t argument_bytes_max = uint64_t{16} << 20;  // of one argument
  uint32_t line_bytes_max = 64 << 10;                // of a line of words, and of a length's (7 always fit)
  uint64_t request_bytes_max = uint64_t{64} << 20;   // of one request, and of what waits to be parsed
};

class RequestParser {
 public:
  enum class Result : uint8_t { kNeedMore, kRequest, kError };

  explicit RequestParser(const RequestLimits& limits) : limits_(limits) {}

  // Views of arguments are no longer valid; Arguments() gives new ones.
  void Append(std::string_view bytes);
  // Whether Append would hold more than it may: the request under way is too large.
  bool IsFull(uint64_t more) const { return input_.size() - begin_ + more > limits_.request_bytes_max; }

  // Takes the next request that is there in full. After kError nothing more can be taken.
  Result Next();
  // Of the request taken last; valid until Append or Next.
  const std::vector<std::string_view>& Arguments();
  bool is_line() const { return is_line_; }
  std::string_view line() const { return line_; }  // of a line: as it came, without its end
  const std::string& error() const { return error_; }
  // Whether a request has begun that is not there in full.
  bool is_midway() const { return state_ != State::kStart || at_ != input_.size(); }
  uint64_t waiting_bytes() const { return input_.size() - at_; }
  // Behind the request taken last; valid until Append or Next.
  std::string_view waiting() const { return input_.view().substr(at_); }
  // Memory for requests that are not done with; 0 between them.
  uint64_t held_bytes() const {
    const uint64_t argument_bytes = slices_.capacity() * (sizeof(Slice) + sizeof(std::string_view));
    return input_.size() == 0 ? 0 : input_.capacity() + argument_bytes;
  }
  // Between requests: gives back memory above `keep` bytes. Arguments() are no longer valid.
  static constexpr uint64_t kKeptBytes = 256 << 10;
  void Trim(uint64_t keep = kKeptBytes);

  // Narrower limits for a connection that has not said who it is: arguments and their lengths. 0 takes them away.
  void Restrict(uint32_t arguments_max, uint64_t argument_bytes_max) {
    restricted_arguments_ = arguments_max;
    restricted_bytes_ = argument_bytes_max;
  }

 private:
  struct Slice {
    uint64_t offset;  // in input_ from begin_, or in words_
    uint64_t length;
  };
  enum class State : uint8_t { kStart, kBulkLength, kBulk };

  // The number on the line at at_, behind its first byte, which should be `mark`; moves behind the line.
  Result ReadNumber(char mark, const char* too_long, int64_t* number, bool* is_number);
  Result ReadCount();
  Result ReadBulkLength();
  Result ReadBulk();
  Result ReadLine();
  uint64_t LineBytesMax() const {
    return restricted_bytes_ != 0 && restricted_bytes_ < limits_.line_bytes_max ? restricted_bytes_
                                                                                : limits_.line_bytes_max;
  }
  Result Fail(std::string message);

  const RequestLimits limits_;
  uint32_t restricted_arguments_ = 0;
  uint64_t restricted_bytes_ = 0;

  ReadBuffer input_;
  uint64_t begin_ = 0;    // of the request under way, or last taken
  uint64_t at_ = 0;       // parsed up to here
  uint64_t scanned_ = 0;  // looked for the end of a line up to here
  State state_ = State::kStart;
  uint32_t missing_ = 0;     // arguments still to come
  uint64_t bulk_bytes_ = 0;  // of the argument that comes
  std::vector<Slice> slices_;
  std::string words_;  // of a line, unquoted
  std::string_view line_;
  bool is_line_ = false;
  bool stale_ = false;  // arguments_ is not what slices_ says
  std::vector<std::string_view> arguments_;
  std::string error_;
};

}  // namespace crabkv::protocol
