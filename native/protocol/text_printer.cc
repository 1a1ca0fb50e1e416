#include "native/protocol/text_printer.h"

#include "native/core/status.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {

constexpr std::string_view kLineEnd = "\r\n";

std::string_view Take(std::string_view* from, size_t bytes) {
  CRABKV_ASSERT(bytes <= from->size());
  const std::string_view taken = from->substr(0, bytes);
  from->remove_prefix(bytes);
  return taken;
}

std::string_view TakeLine(std::string_view* from) {
  const std::string_view line = Take(from, from->find(kLineEnd));
  from->remove_prefix(kLineEnd.size());
  return line;
}

int64_t NumberOf(std::string_view digits) {
  int64_t number = 0;
  CRABKV_ASSERT(ParseInteger(digits, &number));
  return number;
}

std::string_view TakeBulk(std::string_view* from, std::string_view length) {
  const std::string_view bytes = Take(from, static_cast<size_t>(NumberOf(length)));
  from->remove_prefix(kLineEnd.size());
  return bytes;
}

// The first of the replies; of one that holds others only that.
void PrintFirst(std::string_view* replies, ReplyWriter* writer) {
  const char type = Take(replies, 1)[0];
  const std::string_view line = TakeLine(replies);
  switch (type) {
    case '+':
      return writer->Simple(line);
    case '-':
      return writer->Error(line);
    case ':':
      return writer->Integer(NumberOf(line));
    case '_':
      return writer->Null();
    case '$':
      return writer->Bulk(TakeBulk(replies, line));
    case '=':
      return writer->Lines(TakeBulk(replies, line).substr(kTextMark.size()));
    case '*':
    case '~':
    case '>':
      return writer->Array(static_cast<uint64_t>(NumberOf(line)));
    case '%':
      return writer->Array(static_cast<uint64_t>(NumberOf(line)) * 2);
    default:
      CRABKV_ASSERT(false);
  }
}

}  // namespace

void PrintAsText(std::string_view replies, ReplyWriter* writer) {
  while (!replies.empty() && !writer->overflowed()) PrintFirst(&replies, writer);
}

}  // namespace crabkv::protocol
