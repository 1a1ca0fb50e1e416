#include "native/core/status.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace crabkv {

namespace {
const std::string& Empty() {
  static const std::string* const empty = new std::string;  // leaked: the addon has no static destructors
  return *empty;
}

std::string Describe(int error) {
  char buffer[128];
  // The GNU strerror_r may return a pointer of its own; the XSI one returns an int. Both are covered by this overload
  // pair.
  struct Pick {
    static const char* From(const char* text, const char*) { return text; }
    static const char* From(int, const char* buffer) { return buffer; }
  };
  buffer[0] = '\0';
  return Pick::From(strerror_r(error, buffer, sizeof(buffer)), buffer);
}
}  // namespace

Status Status::Error(Code code, std::string message) {
  auto detail = std::make_shared<Detail>();
  detail->code = code;
  detail->message = std::move(message);
  return Status(std::move(detail));
}

Status Status::FromErrno(int error, std::string_view operation, std::string_view path) {
  auto detail = std::make_shared<Detail>();
  detail->code = error == ENOSPC || error == EDQUOT ? Code::kDiskFull : Code::kIo;
  detail->message.append(operation).append(" ").append(path).append(": ").append(Describe(error));
  detail->path = path;
  detail->error_number = error;
  return Status(std::move(detail));
}

Status Status::Corruption(std::string_view path, uint64_t offset, std::string message) {
  auto detail = std::make_shared<Detail>();
  detail->code = Code::kCorruption;
  detail->message.append(path).append(" at offset ").append(std::to_string(offset)).append(": ").append(message);
  detail->path = path;
  detail->offset = offset;
  return Status(std::move(detail));
}

const std::string& Status::message() const { return detail_ ? detail_->message : Empty(); }
const std::string& Status::path() const { return detail_ ? detail_->path : Empty(); }

Status Status::WithCode(Code code, std::string_view prefix) const {
  CRABKV_ASSERT(!ok());
  auto detail = std::make_shared<Detail>(*detail_);
  detail->code = code;
  detail->message.insert(0, prefix);
  return Status(std::move(detail));
}

void AssertionFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "crabkv: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace crabkv
