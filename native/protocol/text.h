// The text protocol's two halves: words out of a line, with quotes, and values into a line, quoted where they have to
// be so that no value can look like another reply.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/core/read_buffer.h"

namespace crabkv::protocol {

// Appends the words of a line to `words` and the end of each to `ends`. "…" knows \n \r \t \b \a \xHH and \ before
// anything else, '…' knows \' only, as in redis-cli. False when a quote is not closed, or closed inside of a word.
bool SplitWords(std::string_view line, std::string* words, std::vector<uint64_t>* ends);

// Whether the value can stand in a reply line as it is: printable UTF-8 that neither begins nor ends with a space and
// does not begin with a quote.
bool IsPlainText(std::string_view value);
// Appends "…" with \" \\ \n \r \t and \xHH. SplitWords reads it back.
void AppendQuoted(std::string_view value, ReadBuffer* out);

}  // namespace crabkv::protocol
