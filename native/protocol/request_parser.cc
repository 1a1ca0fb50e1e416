#include "native/protocol/request_parser.h"

#include <cstring>

#include "native/protocol/length_line.h"
#include "native/protocol/numbers.h"
#include "native/protocol/text.h"

namespace crabkv::protocol {

namespace {
constexpr uint64_t kMovedBytesMax = 64 << 10;
constexpr size_t kKeptArguments = 1024;
}  // namespace

void RequestParser::Append(std::string_view bytes) {
  // What is parsed makes room, when that moves little or the room is half of it all: each byte moves a few times at
  // most.
  const uint64_t left = input_.size() - begin_;
  if (begin_ != 0 && (left <= kMovedBytesMax ? begin_ >= left : begin_ >= input_.size() / 2)) {
    if (left != 0) std::memmove(input_.data(), input_.data() + begin_, left);
    input_.Shrink(left);
    at_ -= begin_;
    scanned_ = scanned_ < begin_ ? 0 : scanned_ - begin_;
    begin_ = 0;
    if (left == 0) input_.Trim(kKeptBytes);
  }
  if (!bytes.empty()) std::memcpy(input_.Extend(bytes.size()), bytes.data(), bytes.size());
  stale_ = true;
}

void RequestParser::Trim(uint64_t keep) {
  if (is_midway()) return;
  input_.Clear();
  input_.Trim(keep);
  begin_ = at_ = scanned_ = 0;
  if (slices_.capacity() <= kKeptArguments && arguments_.capacity() <= kKeptArguments) return;
  std::vector<Slice>().swap(slices_);
  std::vector<std::string_view>().swap(arguments_);
  stale_ = true;
}

RequestParser::Result RequestParser::Fail(std::string message) {
  error_ = "ERR Protocol error: " + std::move(message);
  return Result::kError;
}

RequestParser::Result RequestParser::Next() {
  if (!error_.empty()) return Result::kError;
  for (;;) {
    Result result = Result::kNeedMore;
    switch (state_) {
      case State::kStart:
        if (missing_ == 0) {
          begin_ = at_;
          slices_.clear();
          if (slices_.capacity() > kKeptArguments) slices_.shrink_to_fit();
        }
        if (at_ == input_.size()) {
          // A large request is not kept until the next one comes.
          if (missing_ == 0) Trim();
          return Result::kNeedMore;
        }
        result = input_.data()[at_] == '*' ? ReadCount() : ReadLine();
        break;
      case State::kBulkLength:
        result = ReadBulkLength();
        break;
      case State::kBulk:
        result = ReadBulk();
        break;
    }
    if (result != Result::kRequest) return result;
    stale_ = true;
    // A request of no words is none.
    if (state_ == State::kStart && !slices_.empty()) return Result::kRequest;
  }
}

RequestParser::Result RequestParser::ReadNumber(char mark, const char* too_long, int64_t* number, bool* is_number) {
  const char* const data = input_.data();
  const uint64_t size = input_.size();
  const char* at = data + at_;
  uint32_t length = 0;
  if (TakeLength(&at, data + size, mark, &length)) {
    *number = length;
    *is_number = true;
    at_ = static_cast<uint64_t>(at - data);
    return Result::kRequest;
  }
  // Whatever else it may be.
  if (scanned_ < at_) scanned_ = at_;
  const void* const found = std::memchr(data + scanned_, '\r', size - scanned_);
  if (found == nullptr) {
    scanned_ = size;
    return size - at_ > limits_.line_bytes_max ? Fail(too_long) : Result::kNeedMore;
  }
  const uint64_t end = static_cast<uint64_t>(static_cast<const char*>(found) - data);
  scanned_ = end;
  // However it has come.
  if (end - at_ > limits_.line_bytes_max) return Fail(too_long);
  if (size - end < 2) return Result::kNeedMore;
  *is_number = ParseInteger(std::string_view(data + at_ + 1, end - at_ - 1), number);
  at_ = end + 2;
  return Result::kRequest;
}

RequestParser::Result RequestParser::ReadCount() {
  int64_t count = 0;
  bool is_number = false;
  is_line_ = false;
  const Result result = ReadNumber('*', "too big mbulk count string", &count, &is_number);
  if (result != Result::kRequest) return result;
  if (!is_number || count > int64_t{limits_.arguments_max}) return Fail("invalid multibulk length");
  if (restricted_arguments_ != 0 && count > int64_t{restricted_arguments_})
    return Fail("unauthenticated multibulk length");
  if (count <= 0) return Result::kRequest;
  missing_ = static_cast<uint32_t>(count);
  state_ = State::kBulkLength;
  return Result::kRequest;
}

RequestParser::Result RequestParser::ReadBulkLength() {
  if (at_ == input_.size()) return Result::kNeedMore;
  int64_t length = 0;
  bool is_number = false;
  const char first = input_.data()[at_];
  const Result result = ReadNumber('$', "too big bulk count string", &length, &is_number);
  if (result != Result::kRequest) return result;
  if (first != '$') return Fail(std::string("expected '$', got '") + first + "'");
  if (!is_number || length < 0 || static_cast<uint64_t>(length) > limits_.argument_bytes_max) {
    return Fail("invalid bulk length");
  }
  bulk_bytes_ = static_cast<uint64_t>(length);
  if (restricted_bytes_ != 0 && bulk_bytes_ > restricted_bytes_) return Fail("unauthenticated bulk length");
  if (at_ - begin_ + bulk_bytes_ > limits_.request_bytes_max) return Fail("too big request");
  state_ = State::kBulk;
  return Result::kRequest;
}

RequestParser::Result RequestParser::ReadBulk() {
  if (input_.size() - at_ < bulk_bytes_ + 2) return Result::kNeedMore;
  slices_.push_back({at_ - begin_, bulk_bytes_});
  at_ += bulk_bytes_ + 2;
  missing_--;
  state_ = missing_ == 0 ? State::kStart : State::kBulkLength;
  return Result::kRequest;
}

RequestParser::Result RequestParser::ReadLine() {
  is_line_ = true;
  const char* const data = input_.data();
  const uint64_t size = input_.size();
  if (scanned_ < at_) scanned_ = at_;
  const void* const found = std::memchr(data + scanned_, '\n', size - scanned_);
  if (found == nullptr) {
    scanned_ = size;
    // One more: it may be the '\r' of the line's end.
    return size - at_ > LineBytesMax() + 1 ? Fail("too big inline request") : Result::kNeedMore;
  }
  const uint64_t newline = static_cast<uint64_t>(static_cast<const char*>(found) - data);
  const uint64_t end = newline > at_ && data[newline - 1] == '\r' ? newline - 1 : newline;
  line_ = std::string_view(data + at_, end - at_);
  at_ = newline + 1;
  if (line_.size() > LineBytesMax()) return Fail("too big inline request");
  std::vector<uint64_t> ends;
  words_.clear();
  if (!SplitWords(line_, &words_, &ends)) return Fail("unbalanced quotes in request");
  if (restricted_arguments_ != 0 && ends.size() > restricted_arguments_)
    return Fail("unauthenticated multibulk length");
  uint64_t begin = 0;
  for (const uint64_t word_end : ends) {
    slices_.push_back({begin, word_end - begin});
    begin = word_end;
  }
  return Result::kRequest;
}

const std::vector<std::string_view>& RequestParser::Arguments() {
  if (!stale_) return arguments_;
  stale_ = false;
  const char* const base = is_line_ ? words_.data() : input_.data() + begin_;
  arguments_.resize(slices_.size());
  if (arguments_.size() < kKeptArguments && arguments_.capacity() > 4 * kKeptArguments) arguments_.shrink_to_fit();
  for (size_t i = 0; i < slices_.size(); i++)
    arguments_[i] = std::string_view(base + slices_[i].offset, slices_[i].length);
  return arguments_;
}

}  // namespace crabkv::protocol
