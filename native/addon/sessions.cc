// Sessions of servers: one crossing for each chunk that a socket brings. Reply bytes go straight into memory that the
// caller keeps for them; what does not fit there waits in the session for sessionTake.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/cold.h"
#include "native/addon/functions.h"
#include "native/protocol/glob.h"

namespace crabkv::addon {

namespace {

using protocol::ReplyForm;
using protocol::ServerSettings;
using protocol::Session;
using protocol::SessionJob;

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
  kServerNumbers = 11,
};

// What sessionSet sets.
enum SessionProperty : uint32_t {
  kSetForm = 0,
  kSetAuthenticated = 1,
  kForget = 2,
  kCloseAfterReplies = 3,
  kMute = 4,
  kSetSubscribed = 5,
};

template <size_t kCount>
Session* FindSession(const Call<kCount>& call, Handle* handle) {
  uint32_t id = 0;
  napi_get_value_uint32(call.env, call[1], &id);
  Session* session = handle == nullptr ? nullptr : handle->FindSession(id);
  if (handle != nullptr && session == nullptr) ThrowTypeError(call.env, "session is not open");
  return session;
}

// The outcome as a number, and what came out at target[offset] if it fits there; see results for how much that is.
napi_value Report(Environment& environment, Handle& handle, Session& session, Session::Outcome outcome,
                  const Span<uint8_t>& target, uint64_t offset) {
  double* results = environment.results();
  // Of a captured reply these are for the answer in its place.
  const bool captured = outcome == Session::Outcome::kReplied;
  const uint64_t group = captured ? 0 : session.TakeGroup();
  const Session::Fate fate = captured ? Session::Fate::kNone : session.TakeExecFate();
  ReadBuffer& output = session.output();
  results[kResultReplyBytes] = static_cast<double>(output.size());
  results[kResultReplies] = session.TakeReplyCount();
  results[kResultReplyGroup] = static_cast<double>(group);
  results[kResultMidway] = session.is_midway() ? 1 : 0;
  results[kResultReplyForm] = static_cast<double>(session.form());
  results[kResultNotificationBytes] = captured ? 0 : static_cast<double>(session.notifications().size());
  results[kResultExecFate] = static_cast<double>(fate);
  results[kResultExecuting] = session.executing() ? 1 : 0;
  if (offset <= target.length && output.size() <= target.length - offset && output.size() != 0) {
    std::memcpy(target.data + offset, output.data(), output.size());
    output.Clear();
  }
  if (group != 0) handle.AwaitGroup(group);
  if (outcome == Session::Outcome::kBusy) handle.AwaitRoom();
  napi_value number;
  return napi_create_uint32(environment.env(), static_cast<uint32_t>(outcome), &number) == napi_ok ? number : nullptr;
}

napi_value MakeBuffers(Environment& environment, const std::vector<std::string_view>& words) {
  return environment.MakeArray(words.size(), [&](size_t index) -> napi_value {
    napi_value buffer;
    const std::string_view bytes = words[index];
    return napi_create_buffer_copy(environment.env(), bytes.size(), bytes.data(), nullptr, &buffer) == napi_ok
               ? buffer
               : nullptr;
  });
}

class RunJob : public Delivery {
 public:
  RunJob(napi_deferred deferred, std::unique_ptr<SessionJob> job) : deferred_(deferred), job_(std::move(job)) {}
  bool Step(Store& store) { return job_->Step(store); }
  void Deliver(Environment& environment) override {
    environment.gate().Release();
    ResolveUndefined(environment, deferred_);
  }

 private:
  const napi_deferred deferred_;
  const std::unique_ptr<SessionJob> job_;
};

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
  uint32_t server_id = 0;
  Span<uint8_t> goes_up;
  napi_get_value_uint32(env, call[1], &server_id);
  if (handle == nullptr || !ReadUint8Array(env, call[2], "goesUp", &goes_up)) return nullptr;
  if (goes_up.length != protocol::CommandCount() + 1) return ThrowRangeError(env, "goesUp is of the wrong length");
  ServerSettings* const settings = handle->FindServer(server_id);
  if (settings == nullptr) return ThrowTypeError(env, "server is not open");
  const bool any = std::find(goes_up.data, goes_up.data + goes_up.length, 1) != goes_up.data + goes_up.length;
  settings->goes_up.assign(goes_up.data, goes_up.data + (any ? goes_up.length : 0));
  return nullptr;
}

// serverPause(handle, server, what): 0 nothing, 1 commands that write, 2 all commands.
napi_value ServerPause(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  uint32_t server_id = 0;
  uint64_t what = 0;
  napi_get_value_uint32(env, call[1], &server_id);
  if (handle == nullptr || !ReadInteger(env, call[2], "what", 2, &what)) return nullptr;
  ServerSettings* const settings = handle->FindServer(server_id);
  if (settings == nullptr) return ThrowTypeError(env, "server is not open");
  settings->paused = static_cast<ServerSettings::Paused>(what);
  return nullptr;
}

// serverCounts(handle, server, target): for each command calls, failed calls, nanoseconds, and calls by time; then the
// same for unknown ones.
napi_value ServerCounts(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  uint32_t server_id = 0;
  Span<double> target;
  napi_get_value_uint32(env, call[1], &server_id);
  if (handle == nullptr || !ReadFloat64Array(env, call[2], "target", &target)) return nullptr;
  ServerSettings* const settings = handle->FindServer(server_id);
  if (settings == nullptr) return ThrowTypeError(env, "server is not open");
  const auto& counts = settings->counts->by_command;
  constexpr size_t kNumbers = 3 + protocol::kLatencyBuckets;
  if (target.length != counts.size() * kNumbers) return ThrowRangeError(env, "target is of the wrong length");
  double* to = target.data;
  for (const protocol::CommandFigures& figures : counts) {
    *to++ = static_cast<double>(figures.calls);
    *to++ = static_cast<double>(figures.failed);
    *to++ = static_cast<double>(figures.ns);
    for (const uint64_t bucket : figures.buckets) *to++ = static_cast<double>(bucket);
  }
  return nullptr;
}

// sessionOpen(handle, server): number.
napi_value SessionOpen(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  uint32_t server_id = 0;
  napi_get_value_uint32(env, call[1], &server_id);
  const uint32_t session_id = handle->AddSession(server_id);
  if (session_id == 0) return ThrowTypeError(env, "server is not open");
  napi_value id;
  return napi_create_uint32(env, session_id, &id) == napi_ok ? id : nullptr;
}

// sessionFeed(handle, session, bytes, target, offset): number, the outcome. Results: replyBytes, replies, replyGroup.
napi_value SessionFeed(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> bytes;
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (session == nullptr || !ReadUint8Array(env, call[2], "bytes", &bytes) ||
      !ReadUint8Array(env, call[3], "target", &target) || !ReadInteger(env, call[4], "offset", UINT32_MAX, &offset)) {
    return nullptr;
  }
  const std::string_view view(reinterpret_cast<const char*>(bytes.data), bytes.length);
  return Report(call.environment(), *handle, *session, session->Feed(view), target, offset);
}

// sessionResume(handle, session, target, offset): the same, after a job, or at another turn.
napi_value SessionResume(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (session == nullptr || !ReadUint8Array(env, call[2], "target", &target) ||
      !ReadInteger(env, call[3], "offset", UINT32_MAX, &offset)) {
    return nullptr;
  }
  return Report(call.environment(), *handle, *session, session->Resume(), target, offset);
}

// sessionProceed(handle, session, target, offset, captures): the same, running the command that went up.
napi_value SessionProceed(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> target;
  uint64_t offset = 0;
  bool captures = false;
  if (session == nullptr || !ReadUint8Array(env, call[2], "target", &target) ||
      !ReadInteger(env, call[3], "offset", UINT32_MAX, &offset) || !ReadBool(env, call[4], "captures", &captures)) {
    return nullptr;
  }
  return Report(call.environment(), *handle, *session, session->Proceed(captures), target, offset);
}

// sessionAnswer(handle, session, reply, target, offset): the same, after the reply of the command that went up.
napi_value SessionAnswer(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> reply;
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (session == nullptr || !ReadUint8Array(env, call[2], "reply", &reply) ||
      !ReadUint8Array(env, call[3], "target", &target) || !ReadInteger(env, call[4], "offset", UINT32_MAX, &offset)) {
    return nullptr;
  }
  const std::string_view view(reinterpret_cast<const char*>(reply.data), reply.length);
  return Report(call.environment(), *handle, *session, session->Answer(view), target, offset);
}

// sessionTake(handle, session, target): moves what did not fit to the front of target.
napi_value SessionTake(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> target;
  if (session == nullptr || !ReadUint8Array(env, call[2], "target", &target)) return nullptr;
  ReadBuffer& output = session->output();
  if (output.size() > target.length) return ThrowRangeError(env, "target is too small for the replies");
  if (output.size() != 0) std::memcpy(target.data, output.data(), output.size());
  output.Clear();
  return nullptr;
}

// sessionTakeNotifications(handle, session, target): moves them to the front of target.
napi_value SessionTakeNotifications(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> target;
  if (session == nullptr || !ReadUint8Array(env, call[2], "target", &target)) return nullptr;
  std::string& notifications = session->notifications();
  if (notifications.size() > target.length) return ThrowRangeError(env, "target is too small");
  if (!notifications.empty()) std::memcpy(target.data, notifications.data(), notifications.size());
  notifications = std::string();
  return nullptr;
}

// serverNotify(handle, server, classes): NotificationClass bits of the keyspace notifications that are wanted.
napi_value ServerNotify(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  uint32_t server_id = 0;
  uint64_t classes = 0;
  napi_get_value_uint32(env, call[1], &server_id);
  if (handle == nullptr || !ReadInteger(env, call[2], "classes", UINT32_MAX, &classes)) return nullptr;
  ServerSettings* const settings = handle->FindServer(server_id);
  if (settings == nullptr) return ThrowTypeError(env, "server is not open");
  settings->notification_classes = static_cast<uint32_t>(classes);
  return nullptr;
}

// sessionArguments(handle, session): Buffer[], of the command that went up.
napi_value SessionArguments(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session == nullptr) return nullptr;
  return MakeBuffers(call.environment(), session->arguments());
}

// sessionQueued(handle, session): Buffer[][], of the commands that the EXEC that went up would run.
napi_value SessionQueued(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session == nullptr) return nullptr;
  Environment& environment = call.environment();
  return environment.MakeArray(session->QueuedCount(),
                               [&](size_t index) { return MakeBuffers(environment, session->QueuedArguments(index)); });
}

// sessionReplace(handle, session, queued, words, lengths): whether the command that went up has become another, or with
// a place among what its EXEC would run, that one.
napi_value SessionReplace(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session == nullptr) return nullptr;
  Environment& environment = call.environment();
  uint64_t queued = 0;
  const bool is_queued = !IsUndefined(env, call[2]);
  std::vector<std::string_view> words;
  if ((is_queued && !ReadInteger(env, call[2], "queued", UINT32_MAX, &queued)) ||
      !ReadColumn(environment, call[3], call[4], "words", &environment.key_scratch, &words)) {
    return nullptr;
  }
  napi_value taken;
  napi_get_boolean(env, is_queued ? session->ReplaceQueued(queued, words) : session->Replace(words), &taken);
  return taken;
}

// sessionRunJob(handle, session): Promise<void>, when sessionResume can go on.
napi_value SessionRunJob(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session == nullptr) return nullptr;
  std::unique_ptr<SessionJob> job = session->TakeJob();
  if (job == nullptr) return ThrowTypeError(env, "session has no job");
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  SubmitSteps(call.environment(), *handle, deferred, std::make_unique<RunJob>(deferred, std::move(job)));
  return promise;
}

// sessionSet(handle, session, property, value): see SessionProperty.
napi_value SessionSet(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  uint64_t property = 0;
  uint64_t value = 0;
  if (session == nullptr || !ReadInteger(env, call[2], "property", kSetSubscribed, &property) ||
      !ReadInteger(env, call[3], "value", 3, &value)) {
    return nullptr;
  }
  switch (static_cast<SessionProperty>(property)) {
    case kSetForm:
      session->set_form(static_cast<ReplyForm>(value));
      break;
    case kSetAuthenticated:
      session->set_authenticated(value != 0);
      break;
    case kForget:
      session->Forget();
      break;
    case kCloseAfterReplies:
      session->CloseAfterReplies();
      break;
    case kMute:
      session->Mute(static_cast<Session::Muted>(value));
      break;
    case kSetSubscribed:
      session->set_subscribed(value != 0);
      break;
  }
  return nullptr;
}

// sessionEnd(handle, session). Forgiving: the store may have been closed.
napi_value SessionEnd(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  uint32_t id = 0;
  uint32_t session_id = 0;
  napi_get_value_uint32(env, call[0], &id);
  napi_get_value_uint32(env, call[1], &session_id);
  Handle* handle = call.environment().Find(id);
  if (handle != nullptr) handle->EndSession(session_id);
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

// describeCommands(): string, JSON.
napi_value DescribeCommands(napi_env env, napi_callback_info) {
  const std::string json = protocol::DescribeCommands();
  napi_value text;
  return napi_create_string_utf8(env, json.data(), json.size(), &text) == napi_ok ? text : nullptr;
}

}  // namespace crabkv::addon
