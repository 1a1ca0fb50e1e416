#include "native/protocol/text.h"

#include <cstring>

namespace crabkv::protocol {

namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// The part of a word inside of quotes, from behind the opening one. False when they are not closed before a space.
bool TakeQuoted(std::string_view line, char quote, size_t* at, std::string* words) {
  while (*at < line.size() && line[*at] != quote) {
    const std::string_view rest = line.substr(*at);
    if (quote == '"' && rest.size() >= 4 && rest[0] == '\\' && rest[1] == 'x' && HexDigit(rest[2]) >= 0 &&
        HexDigit(rest[3]) >= 0) {
      words->push_back(static_cast<char>(HexDigit(rest[2]) * 16 + HexDigit(rest[3])));
      *at += 4;
    } else if (quote == '"' && rest.size() >= 2 && rest[0] == '\\') {
      words->push_back(Unescape(rest[1]));
      *at += 2;
    } else if (quote == '\'' && rest.size() >= 2 && rest[0] == '\\' && rest[1] == '\'') {
      words->push_back('\'');
      *at += 2;
    } else {
      words->push_back(rest[0]);
      *at += 1;
    }
  }
  if (*at == line.size()) return false;
  *at += 1;
  return *at == line.size() || IsSpace(line[*at]);
}

// Bytes of the printable UTF-8 character at the beginning of `text`; 0 when there is none.
size_t PrintableCharacter(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  uint32_t point = first & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = (point << 6) | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return 0;
  // Control characters, line ends, and what turns the direction of a line around.
  const bool breaks = point < 0xa0 || (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
  return breaks || point == 0xfeff ? 0 : length;
}

}  // namespace

bool SplitWords(std::string_view line, std::string* words, std::vector<uint64_t>* ends) {
  size_t at = 0;
  for (;;) {
    while (at < line.size() && IsSpace(line[at])) at++;
    if (at == line.size()) return true;
    while (at < line.size() && !IsSpace(line[at])) {
      const char c = line[at++];
      if (c != '"' && c != '\'') {
        words->push_back(c);
      } else if (!TakeQuoted(line, c, &at, words)) {
        return false;
      }
    }
    ends->push_back(words->size());
  }
}

bool IsPlainText(std::string_view value) {
  if (value.empty() || value.front() == ' ' || value.back() == ' ' || value.front() == '"') return false;
  while (!value.empty()) {
    const size_t length = PrintableCharacter(value);
    if (length == 0) return false;
    value.remove_prefix(length);
  }
  return true;
}

void AppendQuoted(std::string_view value, ReadBuffer* out) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto append = [out](const char* text, size_t length) { std::memcpy(out->Extend(length), text, length); };
  append("\"", 1);
  while (!value.empty()) {
    const char c = value.front();
    if (const size_t length = PrintableCharacter(value); length != 0) {
      if (c == '"' || c == '\\') append("\\", 1);
      append(value.data(), length);
      value.remove_prefix(length);
      continue;
    }
    if (c == '\n') {
      append("\\n", 2);
    } else if (c == '\r') {
      append("\\r", 2);
    } else if (c == '\t') {
      append("\\t", 2);
    } else {
      const uint8_t byte = static_cast<uint8_t>(c);
      const char escape[] = {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      append(escape, 4);
    }
    value.remove_prefix(1);
  }
  append("\"", 1);
}

}  // namespace crabkv::protocol
