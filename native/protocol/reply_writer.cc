#include "native/protocol/reply_writer.h"

#include <cstring>

#include "native/protocol/numbers.h"
#include "native/protocol/text.h"

namespace crabkv::protocol {

bool ReplyWriter::Fits(uint64_t bytes) {
  if (overflowed_ || out_->size() + bytes > size_max_) overflowed_ = true;
  return !overflowed_;
}

void ReplyWriter::Raw(std::string_view bytes) {
  if (!bytes.empty() && Fits(bytes.size())) std::memcpy(out_->Extend(bytes.size()), bytes.data(), bytes.size());
}

void ReplyWriter::Header(char type, int64_t number) {
  char line[1 + kIntegerCharsMax + 2];
  line[0] = type;
  size_t length = 1 + FormatInteger(number, line + 1);
  line[length++] = '\r';
  line[length++] = '\n';
  Raw(std::string_view(line, length));
}

void ReplyWriter::Simple(std::string_view text) {
  if (!is_text()) Raw("+");
  Raw(text);
  Raw(is_text() ? "\n" : "\r\n");
}

void ReplyWriter::Error(std::string_view message) {
  if (!is_text()) {
    Raw("-");
  } else if (message.substr(0, 4) != "ERR ") {
    Raw("ERR ");
  }
  const uint64_t begin = out_->size();
  Raw(message);
  if (overflowed_) return;
  for (char* c = out_->data() + begin; c < out_->data() + out_->size(); c++) {
    // A line of text must stay one, and show no control characters of a client's.
    const bool control = static_cast<uint8_t>(*c) < 0x20 || *c == 0x7f;
    if (*c == '\r' || *c == '\n' || (is_text() && control)) *c = ' ';
  }
  Raw(is_text() ? "\n" : "\r\n");
}

void ReplyWriter::Integer(int64_t number) {
  if (!is_text()) return Header(':', number);
  char digits[kIntegerCharsMax + 1];
  size_t length = FormatInteger(number, digits);
  digits[length++] = '\n';
  Raw(std::string_view(digits, length));
}

void ReplyWriter::TextValue(std::string_view bytes) {
  const bool bare = form_ == ReplyForm::kBareText;
  if (!bare) Raw("VALUE ");
  // Without the word before it a value must not look like another reply.
  const bool looks_like_reply = bare && (bytes == "nil" || bytes == "ERR" || bytes.substr(0, 4) == "ERR ");
  if (IsPlainText(bytes) && !looks_like_reply) {
    Raw(bytes);
  } else if (constexpr uint64_t kEscapedBytes = 4; Fits(bytes.size() * kEscapedBytes + 2)) {
    AppendQuoted(bytes, out_);
  }
  Raw("\n");
}

void ReplyWriter::Bulk(std::string_view bytes) {
  if (is_text()) return TextValue(bytes);
  Header('$', static_cast<int64_t>(bytes.size()));
  Raw(bytes);
  Raw("\r\n");
}

void ReplyWriter::EndBulk(uint64_t begin) {
  const uint64_t length = out_->size() - begin;
  if (!Fits(kIntegerCharsMax)) return;
  if (is_text()) {
    const std::string value(out_->data() + begin, length);
    out_->Shrink(begin);
    return TextValue(value);
  }
  char header[1 + kIntegerCharsMax + 2];
  header[0] = '$';
  size_t header_bytes = 1 + FormatInteger(static_cast<int64_t>(length), header + 1);
  header[header_bytes++] = '\r';
  header[header_bytes++] = '\n';
  out_->Extend(header_bytes + 2);
  char* const value = out_->data() + begin;
  std::memmove(value + header_bytes, value, length);
  std::memcpy(value, header, header_bytes);
  std::memcpy(value + header_bytes + length, "\r\n", 2);
}

void ReplyWriter::Null() {
  switch (form_) {
    case ReplyForm::kResp2:
      return Raw("$-1\r\n");
    case ReplyForm::kResp3:
      return Raw("_\r\n");
    case ReplyForm::kText:
      return Raw("NOT_FOUND\n");
    case ReplyForm::kBareText:
      return Raw("nil\n");
  }
}

void ReplyWriter::NullArray() {
  if (form_ == ReplyForm::kResp2) return Raw("*-1\r\n");
  Null();
}

void ReplyWriter::Array(uint64_t count) {
  if (!is_text()) return Header('*', static_cast<int64_t>(count));
  Raw("ARRAY ");
  Integer(static_cast<int64_t>(count));
}

void ReplyWriter::Lines(std::string_view text) {
  if (is_text()) {
    Raw(text);
    if (text.empty() || text.back() != '\n') Raw("\n");
    return;
  }
  if (form_ != ReplyForm::kResp3) return Bulk(text);
  Header('=', static_cast<int64_t>(kTextMark.size() + text.size()));
  Raw(kTextMark);
  Raw(text);
  Raw("\r\n");
}

}  // namespace crabkv::protocol
