// Replies in RESP3 as the text protocol says them: one line after the other, so what an array holds is simply printed
// behind it.
#pragma once

#include <string_view>

#include "native/protocol/reply_writer.h"

namespace crabkv::protocol {

// One reply, none, or several, complete and well formed: they are this server's own. The writer is one of text.
void PrintAsText(std::string_view replies, ReplyWriter* writer);

}  // namespace crabkv::protocol
