// Bytes of values as JavaScript strings.
#pragma once

#include <node_api.h>

#include <string_view>

namespace crabkv::addon {

// Writes `count` units as a byte each; false when they are not ASCII, and then what was written means nothing.
bool Narrow(const char16_t* units, size_t count, char* to);

// From UTF-8; invalid sequences become U+FFFD, as everywhere in Node. Null with an exception pending when the string
// would be longer than the engine allows.
napi_value MakeText(napi_env env, std::string_view bytes);

// A Buffer with a copy of the bytes, in memory of its own. Costs over a microsecond: for reads that waited for the
// disk.
napi_value MakeBuffer(napi_env env, std::string_view bytes);

}  // namespace crabkv::addon
