// Servers: what all sessions of one share, and what is known about commands. See sessions.cc.
#include <algorithm>
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/text.h"
#include "native/protocol/glob.h"
#include "native/protocol/text_printer.h"

namespace crabkv::addon {

using protocol::ReplyForm;
using protocol::ServerSettings;

namespace {
// Numbers that describe a server, by their place in the array that serverOpen takes.
enum ServerNumber : size_t {
  kArgumentsMax = 0,
  kArgumentBytesMax = 1,
  kLineBytesMax = 2,
  kRequestBytesMax = 3,
  kLineForm = 4,
  kDefaultTtlMs = 5,
  kNeedsPassword = 6,
  kReplyBytesMax = 7,
  kTimed = 8,
  kUnauthenticatedArgumentsMax = 9,
  kUnauthenticatedBytesMax = 10,
  kAllowsDebug = 11,
  kServerNumbers = 12,
};
// The server that is the second argument; null with an exception when it is not open.
template <size_t kCount>
ServerSettings* FindServer(const Call<kCount>& call, Handle* handle) {
  uint32_t id = 0;
  napi_get_value_uint32(call.env, call[1], &id);
  ServerSettings* const settings = handle->FindServer(id);
  if (settings == nullptr) ThrowTypeError(call.env, "server is not open");
  return settings;
}

}  // namespace

// serverOpen(handle, numbers): number, the server whose sessions are to be opened.
napi_value ServerOpen(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Span<double> numbers;
  if (handle == nullptr || !ReadFloat64Array(env, call[1], "numbers", &numbers)) return nullptr;
  if (numbers.length != kServerNumbers) return ThrowRangeError(env, "numbers is of the wrong length");
  auto settings = std::make_shared<ServerSettings>();
  settings->limits.arguments_max = static_cast<uint32_t>(numbers.data[kArgumentsMax]);
  settings->limits.argument_bytes_max = static_cast<uint64_t>(numbers.data[kArgumentBytesMax]);
  settings->limits.line_bytes_max = static_cast<uint32_t>(numbers.data[kLineBytesMax]);
  settings->limits.request_bytes_max = static_cast<uint64_t>(numbers.data[kRequestBytesMax]);
  settings->line_form = static_cast<ReplyForm>(static_cast<uint8_t>(numbers.data[kLineForm]) & 3);
  settings->default_ttl_ms = static_cast<uint64_t>(numbers.data[kDefaultTtlMs]);
  settings->reply_bytes_max = static_cast<uint64_t>(numbers.data[kReplyBytesMax]);
  settings->needs_password = numbers.data[kNeedsPassword] != 0;
  settings->allows_debug = numbers.data[kAllowsDebug] != 0;
  settings->counts->timed = numbers.data[kTimed] != 0;
  settings->unauthenticated_arguments_max = static_cast<uint32_t>(numbers.data[kUnauthenticatedArgumentsMax]);
  settings->unauthenticated_bytes_max = static_cast<uint64_t>(numbers.data[kUnauthenticatedBytesMax]);
  napi_value id;
  return napi_create_uint32(env, handle->AddServer(std::move(settings)), &id) == napi_ok ? id : nullptr;
}

// serverHook(handle, server, goesUp): which commands go up from now on, see ServerSettings.
napi_value ServerHook(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Span<uint8_t> goes_up;
  if (handle == nullptr || !ReadUint8Array(env, call[2], "goesUp", &goes_up)) return nullptr;
  if (goes_up.length != protocol::CommandCount() + 1) return ThrowRangeError(env, "goesUp is of the wrong length");
  ServerSettings* const settings = FindServer(call, handle);
  if (settings == nullptr) return nullptr;
  const bool any = std::find(goes_up.data, goes_up.data + goes_up.length, 1) != goes_up.data + goes_up.length;
  settings->goes_up.assign(goes_up.data, goes_up.data + (any ? goes_up.length : 0));
  return nullptr;
}

// serverPause(handle, server, what): 0 nothing, 1 commands that write, 2 all commands.
napi_value ServerPause(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  uint64_t what = 0;
  if (handle == nullptr || !ReadInteger(env, call[2], "what", 2, &what)) return nullptr;
  ServerSettings* const settings = FindServer(call, handle);
  if (settings == nullptr) return nullptr;
  settings->paused = static_cast<ServerSettings::Paused>(what);
  return nullptr;
}

// serverCounts(handle, server, target): for each command calls, failed calls, nanoseconds, and calls by time; then the
// same for unknown ones; then how many look-ups of keys for reading found one, and how many did not.
napi_value ServerCounts(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Span<double> target;
  if (handle == nullptr || !ReadFloat64Array(env, call[2], "target", &target)) return nullptr;
  ServerSettings* const settings = FindServer(call, handle);
  if (settings == nullptr) return nullptr;
  const auto& counts = settings->counts->by_command;
  constexpr size_t kNumbers = 3 + protocol::kLatencyBuckets;
  if (target.length != counts.size() * kNumbers + 2) return ThrowRangeError(env, "target is of the wrong length");
  double* to = target.data;
  for (const protocol::CommandFigures& figures : counts) {
    *to++ = static_cast<double>(figures.calls);
    *to++ = static_cast<double>(figures.failed);
    *to++ = static_cast<double>(figures.ns);
    for (const uint64_t bucket : figures.buckets) *to++ = static_cast<double>(bucket);
  }
  *to++ = static_cast<double>(settings->counts->keys_found);
  *to++ = static_cast<double>(settings->counts->keys_missed);
  return nullptr;
}

// serverResetCounts(handle, server): all of them begin anew.
napi_value ServerResetCounts(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  ServerSettings* const settings = FindServer(call, handle);
  if (settings != nullptr) settings->counts->Reset();
  return nullptr;
}

// serverNotify(handle, server, classes): NotificationClass bits of the keyspace notifications that are wanted.
napi_value ServerNotify(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  uint64_t classes = 0;
  if (handle == nullptr || !ReadInteger(env, call[2], "classes", UINT32_MAX, &classes)) return nullptr;
  ServerSettings* const settings = FindServer(call, handle);
  if (settings == nullptr) return nullptr;
  settings->notification_classes = static_cast<uint32_t>(classes);
  return nullptr;
}

// matchesPattern(pattern, bytes): whether bytes match a pattern as KEYS takes it.
napi_value MatchesPattern(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Span<uint8_t> pattern;
  Span<uint8_t> bytes;
  if (!ReadUint8Array(env, call[0], "pattern", &pattern) || !ReadUint8Array(env, call[1], "bytes", &bytes)) {
    return nullptr;
  }
  const std::string_view pattern_view(reinterpret_cast<const char*>(pattern.data), pattern.length);
  const std::string_view view(reinterpret_cast<const char*>(bytes.data), bytes.length);
  napi_value matches;
  return napi_get_boolean(env, protocol::MatchesGlob(pattern_view, view), &matches) == napi_ok ? matches : nullptr;
}

// printReplies(replies, form, bytesMax): Buffer, of replies in RESP3 what the text protocol says; undefined when that
// is larger.
napi_value PrintReplies(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Span<uint8_t> replies;
  uint64_t form = 0;
  uint64_t bytes_max = 0;
  if (!ReadUint8Array(env, call[0], "replies", &replies) || !ReadInteger(env, call[1], "form", 3, &form) ||
      !ReadInteger(env, call[2], "bytesMax", uint64_t{1} << 53, &bytes_max)) {
    return nullptr;
  }
  ReadBuffer text;
  protocol::ReplyWriter writer(&text, static_cast<ReplyForm>(form));
  writer.Bound(bytes_max);
  protocol::PrintAsText(std::string_view(reinterpret_cast<const char*>(replies.data), replies.length), &writer);
  return writer.overflowed() ? nullptr : MakeBuffer(env, text.view());
}

// describeCommands(): string, JSON.
napi_value DescribeCommands(napi_env env, napi_callback_info) {
  const std::string json = protocol::DescribeCommands();
  napi_value text;
  return napi_create_string_utf8(env, json.data(), json.size(), &text) == napi_ok ? text : nullptr;
}

}  // namespace crabkv::addon
